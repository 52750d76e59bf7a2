package vault

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
)

// shop is Salla's OAuth server over HTTP, and one tenant with a grant of it.
type shop struct {
	*Vault

	t        *testing.T
	db       *store.DB
	pool     *pgxpool.Pool
	sandbox  *sandbox.Server
	accounts string
	merchant int64
	tenant   uuid.UUID
}

func newShop(t *testing.T) *shop {
	t.Helper()
	pool := dbtest.Control(t)
	s := &shop{t: t, db: store.New(pool), pool: pool, merchant: 81001}
	s.sandbox = sandbox.New(sandbox.Config{Seed: 3, PublicURL: "https://wosool.example", ClientID: "id", ClientSecret: "the-client-secret"})
	server := httptest.NewServer(s.sandbox.Handler())
	t.Cleanup(func() {
		s.sandbox.Close()
		server.Close()
	})
	s.accounts = s.sandbox.AccountsURL(server.URL)
	s.Vault = s.process(newKeys(t), nil)
	s.tenant = grantedStore(t, s.Vault, s.pool, s.sandbox, s.merchant)
	return s
}

// process is the vault of one process. Through, if not nil, stands between it and
// Salla.
func (s *shop) process(keys *Keys, through func(Refresher) Refresher) *Vault {
	var oauth Refresher = &salla.OAuth{AccountsURL: s.accounts, ClientID: "id", ClientSecret: "the-client-secret"}
	if through != nil {
		oauth = through(oauth)
	}
	return &Vault{DB: s.db, Keys: keys, OAuth: oauth, Log: dbtest.Log(s.t)}
}

// grantedStore adds a store to the sandbox and a ready tenant that holds its grant.
func grantedStore(t *testing.T, v *Vault, pool *pgxpool.Pool, world *sandbox.Server, merchant int64) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	world.AddStore(sandbox.StoreSpec{Merchant: merchant})
	g, err := v.SealGrant(t.Context(), id, consent(t, world, merchant))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `
		WITH t AS (
			INSERT INTO tenants (id, merchant, slug, name, status) VALUES ($1, $2::bigint, 'store-' || $2::text, 'x', 'ready')
		), c AS (
			INSERT INTO connections (id, status, access_token, refresh_token, expires_at, refresh_at, granted_at)
			VALUES ($1, 'active', $3, $4, $5, $6, now())
		)
		INSERT INTO known_tokens (hash, tenant_id) VALUES ($7, $1)`,
		id, merchant, g.Access, g.Refresh, g.ExpiresAt, g.RefreshAt, g.RefreshHash); err != nil {
		t.Fatal(err)
	}
	return id
}

// consent is a fresh grant of a store, as its authorize event carries it.
func consent(t *testing.T, world *sandbox.Server, merchant int64) salla.Token {
	t.Helper()
	if err := world.Authorize(t.Context(), merchant); err != nil {
		t.Fatal(err)
	}
	all := world.Deliveries()
	var body struct {
		Data struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
			Expires int64  `json:"expires"`
		} `json:"data"`
	}
	if err := json.Unmarshal(all[len(all)-1].Body, &body); err != nil || body.Data.Refresh == "" {
		t.Fatalf("no grant in the last delivery: %v", err)
	}
	return salla.Token{Access: body.Data.Access, Refresh: body.Data.Refresh, ExpiresAt: time.Unix(body.Data.Expires, 0)}
}

func (s *shop) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// expire makes the access token too old, for us and for Salla.
func (s *shop) expire() {
	s.t.Helper()
	s.sandbox.ExpireTokens(s.merchant)
	s.exec(`UPDATE connections SET expires_at = now() - interval '1 second', refresh_at = now() - interval '1 hour'`)
}

func (s *shop) row() store.Connection {
	s.t.Helper()
	c, err := s.db.Connection(s.t.Context(), s.tenant)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// spoil makes Salla's OAuth server go wrong until the function is called.
func (s *shop) spoil(rule sandbox.FaultRule) (end func()) {
	s.t.Helper()
	rule.System, rule.Path = "accounts", "/oauth2/token"
	id, err := s.sandbox.Fault(rule)
	if err != nil {
		s.t.Fatal(err)
	}
	return func() { s.sandbox.ClearFault(id) }
}

// asked is how often Salla was asked for new tokens.
func (s *shop) asked() int {
	n := 0
	for call, by := range s.sandbox.Stats().Calls {
		if strings.HasSuffix(call, "/oauth2/token") {
			for _, times := range by {
				n += times
			}
		}
	}
	return n
}

// neverAgain fails if any refresh token was sent twice, or found to be used.
func (s *shop) neverAgain() {
	s.t.Helper()
	if got := s.sandbox.Stats(); got.Resent != 0 || got.Reuses != 0 {
		s.t.Errorf("%d refresh tokens were sent again, %d of them used before", got.Resent, got.Reuses)
	}
}

// answers fails unless Salla knows the grant's access token, which is of version.
func (s *shop) answers(version int64) {
	s.t.Helper()
	g, err := s.Token(s.t.Context(), s.tenant)
	if err != nil || g.Version != version {
		s.t.Fatalf("Token: %v, version %d, want %d", err, g.Version, version)
	}
	c := &salla.Client{BaseURL: strings.TrimSuffix(s.accounts, "/salla-accounts") + "/salla/admin/v2", Token: g.Access}
	if _, err := c.StoreInfo(s.t.Context()); err != nil {
		s.t.Errorf("the access token that is kept: %v", err)
	}
}

// patiently asks for a token as a task does: it comes again when a wait is over.
func patiently(ctx context.Context, v *Vault, id uuid.UUID) (Grant, error) {
	for {
		g, err := v.Token(ctx, id)
		w, waits := waitOf(err)
		if !waits || w.Until.IsZero() {
			return g, err
		}
		select {
		case <-time.After(time.Until(w.Until)):
		case <-ctx.Done():
			return Grant{}, ctx.Err()
		}
	}
}

// Fifty workers in five processes meet a token that is over, while Salla takes its
// time: one of them refreshes, all of them get what it got.
func TestFaultFiftyWorkersMeetAnExpiredToken(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.expire()
	s.spoil(sandbox.FaultRule{Effect: sandbox.EffectLatency, Latency: 400 * time.Millisecond})
	fleet := []*Vault{s.Vault}
	for range 4 {
		fleet = append(fleet, s.process(s.Keys, nil))
	}
	got := make(chan string, 50)
	begin := make(chan struct{})
	for i := range 50 {
		go func() {
			<-begin
			g, err := patiently(t.Context(), fleet[i%len(fleet)], s.tenant)
			if err != nil || g.Version != 2 {
				t.Errorf("worker %d: %v, version %d", i, err, g.Version)
			}
			got <- g.Access
		}()
	}
	close(begin)
	all := make([]string, 0, 50)
	for range 50 {
		all = append(all, <-got)
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 1 || s.asked() != 1 {
		t.Errorf("%d access tokens by %d calls, want one by one", n, s.asked())
	}
	s.neverAgain()
	s.answers(2)
}

// Whatever leaves open whether the refresh token was consumed ends its use: it is
// not sent again by whoever asks, however often.
func TestFaultUnknownOutcomeIsNeverSentAgain(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]sandbox.FaultRule{
		"500":                      {Effect: sandbox.EffectStatus, Status: 500},
		"503 with Retry-After":     {Effect: sandbox.EffectStatus, Status: 503, RetryAfter: "1"},
		"a page with 200":          {Effect: sandbox.EffectStatus, Status: 200, Body: "html"},
		"a page with 502":          {Effect: sandbox.EffectStatus, Status: 502, Body: "html"},
		"half an answer":           {Effect: sandbox.EffectTruncate},
		"an empty 200":             {Effect: sandbox.EffectEmpty},
		"an error with 200":        {Effect: sandbox.EffectError200},
		"no answer":                {Effect: sandbox.EffectTimeoutAfter},
		"a reset before":           {Effect: sandbox.EffectDrop},
		"a reset after":            {Effect: sandbox.EffectDropAfter},
		"a redirect":               {Effect: sandbox.EffectStatus, Status: 307},
		"a limit nobody can parse": {Effect: sandbox.EffectStatus, Status: 420, Body: "html"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.CallTimeout = 500 * time.Millisecond
			s.expire()
			end := s.spoil(rule)
			for range 3 {
				if _, err := s.Token(t.Context(), s.tenant); !parked(err) {
					t.Fatalf("Token: %v, want a wait for the merchant", err)
				}
			}
			end()
			other := s.process(s.Keys, nil)
			if err := other.Refused(t.Context(), s.tenant, 1); !parked(err) {
				t.Errorf("Refused: %v", err)
			}
			if tasks, err := s.db.RefreshDue(t.Context(), 10); err != nil || len(tasks) != 0 {
				t.Errorf("it is due again: %v %v", tasks, err)
			}
			if _, err := other.Refresh(t.Context(), store.Lease{Kind: store.KindTokenRefresh, ID: s.tenant}); err != nil {
				t.Errorf("Refresh: %v", err)
			}
			if c := s.row(); c.Status != store.ConnectionParked || c.ParkedReason == nil || s.asked() != 1 {
				t.Errorf("%s after %d calls, reason %v; want it parked after one", c.Status, s.asked(), c.ParkedReason)
			}
			s.neverAgain()
		})
	}
}

// Only where it is certain that the refresh token was not consumed it is sent again.
func TestFaultLimitTakesTheMarkerBack(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after       string
		least, most time.Duration
	}{
		"seconds": {"2", 0, pause},
		"a date":  {"date", 20 * time.Second, 61 * time.Second},
		"nothing": {"", 0, pause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.expire()
			after := tt.after
			if after == "date" { // from here on: the test may have waited for the others
				after = time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
			}
			end := s.spoil(sandbox.FaultRule{Effect: sandbox.EffectStatus, Status: 429, RetryAfter: after})
			for range 2 {
				_, err := s.Token(t.Context(), s.tenant)
				w, waits := waitOf(err)
				if wait := waitTime(w); !waits || wait < tt.least || wait > tt.most {
					t.Fatalf("Token: %v in %v, want a wait of %v to %v", err, wait, tt.least, tt.most)
				}
				if c := s.row(); c.Status != store.ConnectionActive || c.Attempt != nil {
					t.Fatalf("the marker stayed: %s, %v", c.Status, c.Attempt)
				}
			}
			end()
			s.answers(2)
			s.neverAgain()
			if n := s.asked(); n != 3 {
				t.Errorf("%d calls, want three", n)
			}
		})
	}
}

func TestFaultRefreshThatWasNotSentIsMadeLater(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.expire()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nobody listens on it a moment later
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	away := s.process(s.Keys, nil)
	away.OAuth = &salla.OAuth{AccountsURL: "http://" + l.Addr().String(), ClientID: "id", ClientSecret: "the-client-secret"}
	_, err = away.Token(t.Context(), s.tenant)
	if w, waits := waitOf(err); !waits || w.Until.IsZero() || s.row().Status != store.ConnectionActive {
		t.Fatalf("Token: %v, %s", err, s.row().Status)
	}
	s.answers(2)
	s.neverAgain()
}

// stalled holds one process where it is told to, as a machine that sleeps would.
type stalled struct {
	Refresher

	before bool // hold before the call, else after it
	at     chan struct{}
	wake   chan struct{}
}

func (r *stalled) Refresh(ctx context.Context, token string) (salla.Token, error) {
	if r.before {
		close(r.at)
		<-r.wake
		return r.Refresher.Refresh(context.WithoutCancel(ctx), token)
	}
	t, err := r.Refresher.Refresh(ctx, token)
	close(r.at)
	<-r.wake
	return t, err
}

// stall begins a refresh in a process that stalls, and returns how it goes on
// when others have long taken it for dead.
func (s *shop) stall(before bool) (wake func() error) {
	s.t.Helper()
	hold := &stalled{before: before, at: make(chan struct{}), wake: make(chan struct{})}
	stale := s.process(s.Keys, func(r Refresher) Refresher {
		hold.Refresher = r
		return hold
	})
	ended := make(chan error, 1)
	go func() {
		_, err := stale.Refresh(s.t.Context(), store.Lease{Kind: store.KindTokenRefresh, ID: s.tenant})
		ended <- err
	}()
	<-hold.at
	s.exec(`UPDATE connections SET attempt_until = now()`)
	return sync.OnceValue(func() error {
		close(hold.wake)
		return <-ended
	})
}

// authorize stores a new grant of the store, as the applier does, and returns it.
func (s *shop) authorize() salla.Token {
	s.t.Helper()
	token := consent(s.t, s.sandbox, s.merchant)
	hash, err := s.RefreshHash(s.t.Context(), token.Refresh)
	if err != nil {
		s.t.Fatal(err)
	}
	seal, err := s.Sealer(s.t.Context(), token)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ended("app.store.authorize", func(l store.Lease, seen store.Installation) (bool, error) {
		at := time.Now()
		stale, _, err := s.db.EndAuthorize(s.t.Context(), l, store.Authorize{
			LifecycleEnd: store.LifecycleEnd{Merchant: s.merchant, At: &at, Seen: seen}, RefreshHash: hash, Seal: seal,
		})
		return stale, err
	})
	return token
}

func (s *shop) uninstall() {
	s.t.Helper()
	s.ended("app.uninstalled", func(l store.Lease, seen store.Installation) (bool, error) {
		at := time.Now()
		stale, _, err := s.db.EndUninstall(s.t.Context(), l, store.LifecycleEnd{Merchant: s.merchant, At: &at, Seen: seen})
		return stale, err
	})
}

// ended records a life-cycle event and ends it.
func (s *shop) ended(name string, end func(store.Lease, store.Installation) (stale bool, err error)) {
	s.t.Helper()
	id := uuid.Must(uuid.NewV7())
	rec, err := s.db.RecordEvent(s.t.Context(), store.NewEvent{
		ID: id, Key: id[:], Source: "salla", Event: name, Merchant: &s.merchant, Lane: store.LaneProvisioning,
		ReceivedAt: time.Now(), Payload: store.Payload{JSON: json.RawMessage(`{}`), Length: 2, Hash: id[:]},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	l, taken, err := s.db.Take(s.t.Context(), rec.Tasks[0], time.Minute)
	if err != nil || taken != store.TakenOurs {
		s.t.Fatalf("take the event: %v, %v", taken, err)
	}
	seen, err := s.db.Installation(s.t.Context(), s.merchant, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if stale, err := end(l, seen); err != nil || stale {
		s.t.Fatalf("%s: %v, stale: %v", name, err, stale)
	}
}

// A refresher that wakes after its time, and after somebody else has decided,
// changes nothing of what was decided.
func TestFaultStaleRefresherChangesNothing(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		name := "its call is yet to come"
		if !before {
			name = "its answer is in its hands"
		}
		t.Run(name+", a new grant is there", func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.expire()
			wake := s.stall(before)
			granted := s.authorize()
			c := s.row()
			if err := wake(); err != nil {
				t.Errorf("the stale refresher: %v", err)
			}
			if got := s.row(); got.Status != store.ConnectionActive || got.Version != c.Version || got.ParkedReason != nil {
				t.Errorf("after it: %s, version %d, %v; was %s, version %d", got.Status, got.Version, got.ParkedReason, c.Status, c.Version)
			}
			if g, err := s.Token(t.Context(), s.tenant); err != nil || g.Access != granted.Access {
				t.Errorf("it is not the new grant that is kept: %v", err)
			}
			s.answers(c.Version)
			s.neverAgain()
		})
		t.Run(name+", the app was uninstalled", func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.expire()
			wake := s.stall(before)
			s.uninstall()
			if err := wake(); err != nil {
				t.Errorf("the stale refresher: %v", err)
			}
			if got := s.row(); got.Status != store.ConnectionRevoked || got.AccessToken != nil || got.RefreshToken != nil {
				t.Errorf("after it: %s, tokens kept: %v", got.Status, got.RefreshToken != nil)
			}
			if _, err := s.Token(t.Context(), s.tenant); !parked(err) {
				t.Errorf("Token: %v, want a wait", err)
			}
			s.neverAgain()
		})
		t.Run(name+", its grant was parked", func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.expire()
			wake := s.stall(before)
			// What was taken for lost is asked for by others, and parked.
			if _, err := s.Token(t.Context(), s.tenant); !parked(err) || s.row().Status != store.ConnectionParked {
				t.Fatalf("Token: %v, %s, want it parked", err, s.row().Status)
			}
			if err := wake(); err != nil {
				t.Errorf("the late answer: %v", err)
			}
			// Good news that comes late heals all the same.
			s.answers(2)
			if c := s.row(); c.Status != store.ConnectionActive || c.ParkedReason != nil || c.RefreshUnknownAt != nil {
				t.Errorf("after the late answer: %s, %v", c.Status, c.ParkedReason)
			}
			if s.asked() != 1 {
				t.Errorf("%d calls", s.asked())
			}
			s.neverAgain()
		})
	}
}

// A task that is cut off, and a process that was told to stop, leave the call
// that is under way alone, and the process does not end before it.
func TestFaultRefreshOutlivesAStop(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.expire()
	s.spoil(sandbox.FaultRule{Effect: sandbox.EffectLatency, Latency: 700 * time.Millisecond})
	drained := make(chan struct{})
	ctx, cancel := context.WithCancel(fault.WithDrain(t.Context(), drained))
	ended := make(chan error, 1)
	go func() {
		_, err := s.Token(ctx, s.tenant)
		ended <- err
	}()
	dbtest.Eventually(t, 5*time.Second, "the refresh is under way", func() bool { return s.row().Status == store.ConnectionRefreshing })
	close(drained) // SIGTERM; then the grace is over
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("Token: %v", err)
	}
	if c := s.row(); c.Status != store.ConnectionRefreshing {
		t.Fatalf("the task's end ended the refresh: %s", c.Status)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.answers(2)
	s.neverAgain()

	// Nothing new is begun by a process that stops.
	s.expire()
	if _, err := s.Token(fault.WithDrain(t.Context(), drained), s.tenant); !errors.Is(err, fault.ErrHandBack) {
		t.Errorf("while stopping: %v", err)
	}
	if c := s.row(); c.Status != store.ConnectionActive || s.asked() != 1 {
		t.Errorf("while stopping: %s, %d calls", c.Status, s.asked())
	}
}

// waitTime is how long a wait still is; none at all is negative.
func waitTime(w *fault.Wait) time.Duration {
	if w == nil || w.Until.IsZero() {
		return -1
	}
	return time.Until(w.Until)
}
