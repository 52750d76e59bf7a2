package web

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// overviewRoutes are the console's first page.
func (s *Server) overviewRoutes(r chi.Router) {
	r.Get("/", s.handle(s.showOverview))
	r.Get("/live", s.handle(s.liveOverview))
}

// span is a stretch of time that figures are shown of.
type span struct {
	name   string
	length time.Duration
	parts  int
}

func spans() []span {
	return []span{{"hour", time.Hour, 60}, {"day", 24 * time.Hour, 48}, {"week", 7 * 24 * time.Hour, 56}}
}

func spanOf(r *http.Request) (span, error) {
	name, err := queryOneOf(r, "span", "hour", "day", "week")
	if err != nil {
		return span{}, err
	}
	for _, sp := range spans() {
		if sp.name == name {
			return sp, nil
		}
	}
	return spans()[0], nil
}

func (s *Server) showOverview(w http.ResponseWriter, r *http.Request) error {
	sp, err := spanOf(r)
	if err != nil {
		return err
	}
	now, err := s.snapshots.get(r.Context(), sp, s.lookAround)
	if err != nil {
		return err
	}
	f := s.frame(r, "Overview", "overview")
	f.Live = "/admin/live?span=" + sp.name
	return s.render(w, r, http.StatusOK, templates.Overview(f, overviewView(now, sp, moments(r))))
}

func (s *Server) liveOverview(w http.ResponseWriter, r *http.Request) error {
	sp, err := spanOf(r)
	if err != nil {
		return err
	}
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		now, err := s.snapshots.get(ctx, sp, s.lookAround)
		if err != nil {
			return nil, err
		}
		v := overviewView(now, sp, moments(r))
		return map[string]templ.Component{
			"health":  templates.OverviewHealth(v),
			"needs":   templates.OverviewNeeds(v),
			"figures": templates.OverviewFigures(v),
			"newest":  templates.OverviewNewest(v),
		}, nil
	})
}

// newestShown is how many of the newest stores the overview has.
const newestShown = 8

// snapshot is how everything stands at one moment.
type snapshot struct {
	at           time.Time
	postgres     time.Duration
	redis        time.Duration
	redisErr     error
	figures      store.Figures
	needs        store.Needs
	workers      []store.Worker
	salla, clerk store.Provider
	circuits     []store.Circuit // that are open
	newest       []store.StoreRow
	tenants      map[uuid.UUID]store.Tenant
	steps        map[uuid.UUID][]store.Step
	connections  map[uuid.UUID]store.ConnectionState
}

// errNoRedis says that Redis is not asked.
var errNoRedis = errors.New("redis is not asked: REDIS_URL is not set")

// lookAround asks everything that the overview shows.
func (s *Server) lookAround(ctx context.Context, sp span) (snapshot, error) {
	now := snapshot{at: time.Now(), redisErr: errNoRedis}
	pinged := make(chan struct{})
	go func() {
		defer close(pinged)
		if s.PingRedis == nil {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		begun := time.Now()
		now.redisErr = s.PingRedis(ctx)
		now.redis = time.Since(begun)
	}()
	err := s.lookAtRows(ctx, sp, &now)
	<-pinged
	return now, err
}

func (s *Server) lookAtRows(ctx context.Context, sp span, now *snapshot) (err error) {
	begun := time.Now()
	if err := s.DB.Ping(ctx); err != nil {
		return err
	}
	now.postgres = time.Since(begun)
	// Where nobody else does it, whoever looks keeps the figures; what has to be
	// counted for the first time is counted over several looks.
	for behind := true; behind && time.Since(begun) < rollFor; {
		if behind, err = s.DB.RollFigures(ctx); err != nil {
			return err
		}
	}
	if now.figures, err = s.DB.Figures(ctx, sp.length, sp.parts); err != nil {
		return err
	}
	if now.needs, err = s.DB.Needs(ctx); err != nil {
		return err
	}
	if now.workers, err = s.DB.Workers(ctx); err != nil {
		return err
	}
	if now.salla, now.clerk, err = s.DB.Providers(ctx); err != nil {
		return err
	}
	if now.circuits, err = s.DB.OpenCircuits(ctx); err != nil {
		return err
	}
	if now.newest, _, err = s.DB.Stores(ctx, store.StoreFilter{Limit: newestShown}); err != nil {
		return err
	}
	ids := make([]uuid.UUID, len(now.newest))
	for i, row := range now.newest {
		ids[i] = row.ID
	}
	now.tenants, now.steps, now.connections, err = s.statesOf(ctx, ids)
	return err
}

// statesOf reads what tells why tenants are, or are not, ready.
func (s *Server) statesOf(ctx context.Context, ids []uuid.UUID) (
	map[uuid.UUID]store.Tenant, map[uuid.UUID][]store.Step, map[uuid.UUID]store.ConnectionState, error,
) {
	tenants, err := s.DB.TenantsOf(ctx, ids)
	if err != nil {
		return nil, nil, nil, err
	}
	steps, err := s.DB.StepsOf(ctx, ids)
	if err != nil {
		return nil, nil, nil, err
	}
	connections, err := s.DB.ConnectionStates(ctx, ids)
	return tenants, steps, connections, err
}

// rollFor is for how long a look may count what happened before.
const rollFor = time.Second

// snapshotFor is how long a snapshot is shown to whoever asks next.
const snapshotFor = 2 * time.Second

// snapshots keeps the last snapshot of each span for a moment, so that any number
// of readers cost no more than one. Its zero value is ready for use.
type snapshots struct {
	mu   sync.Mutex
	last map[string]*keptSnapshot
}

// keptSnapshot is the snapshot of one span. turn holds one token: who has it may
// look, and make another.
type keptSnapshot struct {
	turn chan struct{}
	snapshot
}

// get returns a snapshot that is not older than a moment, made by look where there
// is none.
func (c *snapshots) get(ctx context.Context, sp span, look func(context.Context, span) (snapshot, error)) (snapshot, error) {
	c.mu.Lock()
	if c.last == nil {
		c.last = map[string]*keptSnapshot{}
	}
	kept := c.last[sp.name]
	if kept == nil {
		kept = &keptSnapshot{turn: make(chan struct{}, 1)}
		c.last[sp.name] = kept
	}
	c.mu.Unlock()

	select {
	case kept.turn <- struct{}{}:
		defer func() { <-kept.turn }()
	case <-ctx.Done():
		return snapshot{}, ctx.Err()
	}
	if !kept.at.IsZero() && time.Since(kept.at) < snapshotFor {
		return kept.snapshot, nil
	}
	next, err := look(ctx, sp)
	if err != nil {
		return snapshot{}, err
	}
	kept.snapshot = next
	return next, nil
}
