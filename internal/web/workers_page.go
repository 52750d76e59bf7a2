package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/templates"
)

const workersPath = "/admin/workers"

// busyShown bounds the tasks that are listed of one process.
const busyShown = 8

func (s *Server) workersPage(w http.ResponseWriter, r *http.Request) error {
	v, err := s.workersView(r.Context(), moments(r))
	if err != nil {
		return err
	}
	f := s.frame(r, "Workers", "workers")
	f.Live = workersPath + "/live"
	return s.render(w, r, http.StatusOK, templates.WorkersPage(f, v))
}

// workersLive streams the worker processes.
func (s *Server) workersLive(w http.ResponseWriter, r *http.Request) error {
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		v, err := s.workersView(ctx, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{"workers": templates.WorkerRows(v)}, nil
	})
}

func (s *Server) workersView(ctx context.Context, at func(time.Time) templates.Moment) (templates.WorkersView, error) {
	workers, err := s.DB.Workers(ctx)
	if err != nil {
		return templates.WorkersView{}, err
	}
	var ids []*uuid.UUID
	for _, w := range workers {
		for _, t := range w.Busy {
			ids = append(ids, t.Tenant)
		}
	}
	labels, err := s.DB.TenantLabels(ctx, known(ids))
	if err != nil {
		return templates.WorkersView{}, err
	}
	v := templates.WorkersView{Note: workersNote(workers)}
	for _, w := range workers {
		v.Rows = append(v.Rows, workerRow(w, labels, at))
	}
	return v, nil
}

// workersNote sums up the processes.
func workersNote(workers []store.Worker) string {
	count, busy, slots := map[string]int{}, 0, 0
	for _, w := range workers {
		count[w.State]++
		if w.State == store.WorkerRunning || w.State == store.WorkerStopping {
			busy += len(w.Busy)
			slots += w.Concurrency
		}
	}
	parts := []string{templates.Plural(count[store.WorkerRunning], "worker runs", "workers run")}
	for _, state := range []string{store.WorkerStopping, store.WorkerLost, store.WorkerStopped} {
		if n := count[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ") + fmt.Sprintf(" · %d of %d slots busy", busy, slots)
}

// workerRow is pure, so that what the page says can be tested without it.
func workerRow(w store.Worker, labels map[uuid.UUID]store.TenantLabel, at func(time.Time) templates.Moment) templates.WorkerRow {
	row := templates.WorkerRow{
		ID: w.ID.String(), Name: fmt.Sprintf("%s:%d", w.Host, w.PID), Version: w.Version, Since: at(w.StartedAt),
		Memory: templates.Bytes(w.MemoryBytes), Slots: fmt.Sprintf("%d of %d", len(w.Busy), w.Concurrency),
		Lanes: strings.Join(w.Lanes, ", "), State: w.State,
	}
	if len(w.Lanes) == len(tasks.Lanes()) {
		row.Lanes = "all"
	}
	switch w.State {
	case store.WorkerRunning:
		row.Kind, row.State = templates.Well, "idle"
		if len(w.Busy) > 0 {
			row.Kind, row.State = templates.Run, "working"
		}
	case store.WorkerStopping:
		row.Kind = templates.Wait
	case store.WorkerLost: // what it had in hand is taken over by others
		row.Kind, row.Seen, row.Slots, row.Memory = templates.Broken, at(w.SeenAt), "–", "–"
		return row
	default:
		row.Kind, row.Seen, row.Slots, row.Memory = templates.Off, momentOf(at, w.StoppedAt), "–", "–"
		return row
	}
	for i, t := range w.Busy {
		if i == busyShown {
			row.More = fmt.Sprintf("and %d more", len(w.Busy)-busyShown)
			break
		}
		task := templates.WorkerTask{What: taskWords(t.Task), Href: ownerHref(t.Task, t.Row, t.Tenant), Since: at(t.Since)}
		task.Store, task.StoreHref = storeOf(labels, t.Tenant)
		row.Busy = append(row.Busy, task)
	}
	return row
}
