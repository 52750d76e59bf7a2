package web

import (
	"context"
	"math"
	"net/http"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/tenant"
)

// Stats is how everything stands, in numbers. Every status is there, also with 0.
type Stats struct {
	Tenants map[string]int64 `json:"tenants"`
	Events  map[string]int64 `json:"events"`
	Lanes   []Lane           `json:"lanes"` // empty while Redis does not answer
	Imports map[string]int64 `json:"imports"`

	Circuits []Circuit `json:"circuits"` // what does not answer, at most 200
}

// Lane is how one lane of tasks stands.
type Lane struct {
	Lane          string  `json:"lane"`
	Pending       int     `json:"pending"`
	Active        int     `json:"active"`
	Retry         int     `json:"retry"` // tasks that wait for their time
	Archived      int     `json:"archived"`
	OldestSeconds float64 `json:"oldest_seconds"` // age of the oldest pending task
}

func (s *Server) showStats(w http.ResponseWriter, r *http.Request) error {
	stats, err := ReadStats(r.Context(), s.DB)
	if err != nil {
		return err
	}
	if stats.Lanes, err = s.lanes(r.Context()); err != nil {
		s.Log.WarnContext(r.Context(), "lanes not read", "error", err)
	}
	return writeJSON(w, http.StatusOK, stats)
}

// lanes asks Redis, which may be down: the figures of the rows are shown anyway.
func (s *Server) lanes(ctx context.Context) ([]Lane, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found, err := s.Queue.Lanes(ctx)
	if err != nil {
		return []Lane{}, err
	}
	return LaneRows(found), nil
}

// LaneRows returns what is shown of lanes.
func LaneRows(found []tasks.LaneStat) []Lane {
	rows := make([]Lane, len(found))
	for i, l := range found {
		rows[i] = Lane{
			Lane: l.Lane, Pending: l.Pending, Active: l.Active, Retry: l.Retry, Archived: l.Archived,
			OldestSeconds: math.Round(l.Oldest.Seconds()*1000) / 1000,
		}
	}
	return rows
}

// ReadStats counts the rows by status; the lanes are the caller's to add.
func ReadStats(ctx context.Context, db *store.DB) (Stats, error) {
	s := Stats{Tenants: map[string]int64{}, Lanes: []Lane{}}
	tenants, err := db.TenantStats(ctx)
	if err != nil {
		return Stats{}, err
	}
	for _, status := range tenant.Statuses() {
		s.Tenants[string(status)] = int64(tenants[string(status)])
	}
	if s.Events, err = db.EventStats(ctx); err != nil {
		return Stats{}, err
	}
	if s.Imports, err = db.RunStats(ctx); err != nil {
		return Stats{}, err
	}
	if s.Circuits, err = ReadCircuits(ctx, db); err != nil {
		return Stats{}, err
	}
	return s, nil
}
