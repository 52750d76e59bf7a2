package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/templates"
)

const (
	lanesPath = "/admin/lanes"

	healingsShown = 20
	groupsShown   = 50
)

// laneRoutes registers the pages of the lanes and of the worker processes.
func (s *Server) laneRoutes(r chi.Router) {
	r.Get("/lanes", s.handle(s.lanesPage))
	r.Get("/lanes/live", s.handle(s.lanesLive))
	r.Post("/lanes/{lane}/pause", s.handle(s.pauseLane))
	r.Post("/lanes/{lane}/resume", s.handle(s.resumeLane))
	r.Get("/lanes/failed", s.handle(s.failedPage))
	r.Post("/lanes/failed/retry", s.handle(s.retryFailed))
	r.With(s.needs(store.RoleOperator)).Get("/lanes/failed/retry-all", s.handle(s.retryAllForm))
	r.Post("/lanes/failed/retry-all", s.handle(s.retryAll))
	r.Get("/workers", s.handle(s.workersPage))
	r.Get("/workers/live", s.handle(s.workersLive))
}

func (s *Server) lanesPage(w http.ResponseWriter, r *http.Request) error {
	v, err := s.lanesView(r.Context(), moments(r))
	if err != nil {
		return err
	}
	f := s.frame(r, "Queues", "queues")
	f.Live = lanesPath + "/live"
	return s.render(w, r, http.StatusOK, templates.LanesPage(f, v))
}

// lanesLive streams how the lanes stand.
func (s *Server) lanesLive(w http.ResponseWriter, r *http.Request) error {
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		v, err := s.lanesView(ctx, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{
			"lanes": templates.LaneRows(v), "failed": templates.FailedGroups(v), "healings": templates.HealingRows(v),
		}, nil
	})
}

// lanesView asks Redis and PostgreSQL. What PostgreSQL knows is shown also while
// Redis does not answer.
func (s *Server) lanesView(ctx context.Context, at func(time.Time) templates.Moment) (templates.LanesView, error) {
	var v templates.LanesView
	works, err := s.DB.LaneWorks(ctx)
	if err != nil {
		return v, err
	}
	workers, err := s.DB.Workers(ctx)
	if err != nil {
		return v, err
	}
	dead, err := s.failedWork.get(ctx, s.DB.DeadLetters)
	if err != nil {
		return v, err
	}
	healings, err := s.DB.Healings(ctx, healingsShown)
	if err != nil {
		return v, err
	}
	stats, down := s.laneStats(ctx)
	if down {
		v.Notices = append(v.Notices, templates.Notice{
			Kind: templates.Broken,
			Text: "Redis does not answer, so what is queued is not known; the rows in PostgreSQL are shown. Events are still recorded, and work goes on by itself once Redis answers.",
		})
	}
	now, on := time.Now(), workersOn(workers)
	for _, lane := range tasks.Lanes() {
		v.Lanes = append(v.Lanes, laneRow(lane, stats[lane], down, works[lane], on[lane], now))
	}
	v.Failed, v.FailedOf = failedRows(dead, at)
	for _, h := range healings {
		v.Healings = append(v.Healings, healingRow(h, at))
	}
	return v, nil
}

// laneStats asks Redis how the lanes stand; down tells that it does not answer.
func (s *Server) laneStats(ctx context.Context) (stats map[string]tasks.LaneStat, down bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found, err := s.Queue.Lanes(ctx)
	if err != nil {
		s.Log.WarnContext(ctx, "lanes not read", "error", err)
		return nil, true
	}
	stats = make(map[string]tasks.LaneStat, len(found))
	for _, l := range found {
		stats[l.Lane] = l
	}
	return stats, false
}

// workersOn counts the living workers of each lane.
func workersOn(workers []store.Worker) map[string]int {
	on := map[string]int{}
	for _, w := range workers {
		if w.State == store.WorkerRunning {
			for _, lane := range w.Lanes {
				on[lane]++
			}
		}
	}
	return on
}

// When the age of the oldest task is a reason to look, and one to act.
const (
	oldestWait   = time.Minute
	oldestBroken = 10 * time.Minute
)

// laneRow is pure, so that what the page says can be tested without it.
func laneRow(lane string, l tasks.LaneStat, down bool, work store.LaneWork, workers int, now time.Time) templates.LaneRow {
	row := templates.LaneRow{
		Lane: lane, What: laneWords(lane), Pending: "–", Active: "–", Postponed: "–", Archived: "–", Oldest: "–",
		Due: templates.Count(work.Due), Held: atMost(work.Held, store.LaneCounted), Failed: atMost(work.Failed, store.LaneCounted),
		Workers: templates.Count(workers),
	}
	oldest := l.Oldest
	if down && work.Oldest != nil {
		oldest = now.Sub(*work.Oldest)
	}
	if oldest > 0 {
		row.Oldest = templates.Duration(oldest)
	}
	switch {
	case oldest >= oldestBroken:
		row.OldestKind = templates.Broken
	case oldest >= oldestWait:
		row.OldestKind = templates.Wait
	}
	switch {
	case down:
		row.Kind, row.State = templates.Broken, "Redis is down"
	case l.Paused:
		row.Kind, row.State = templates.Wait, "paused"
	case workers == 0 && l.Pending+work.Due > 0:
		row.Kind, row.State = templates.Broken, "no worker"
	case workers == 0:
		row.Kind, row.State = templates.Off, "no worker"
	case l.Active > 0:
		row.Kind, row.State = templates.Run, "working"
	case l.Pending > 0:
		row.Kind, row.State = templates.Wait, "queued"
	default:
		row.Kind, row.State = templates.Well, "idle"
	}
	if down {
		return row
	}
	row.Pending, row.Active = templates.Count(l.Pending), templates.Count(l.Active)
	row.Postponed, row.Archived = templates.Count(l.Retry), templates.Count(l.Archived)
	row.Act = &templates.ActView{Action: lanesPath + "/" + lane + "/pause", Label: "Pause", Of: lane}
	if l.Paused {
		row.Act = &templates.ActView{Action: lanesPath + "/" + lane + "/resume", Label: "Resume", Of: lane, Primary: true}
	}
	return row
}

// failedRows are the groups of failed work, and how many they are of.
func failedRows(dead store.DeadSummary, at func(time.Time) templates.Moment) (rows []templates.FailedRow, note string) {
	shown := 0
	for i, g := range dead.Groups {
		if i == groupsShown {
			break
		}
		shown += g.Count
		rows = append(rows, templates.FailedRow{
			Task: g.Task, What: taskWords(g.Task), Reason: strings.Replace(sentence(g.Reason), "….", "…", 1), Count: templates.Count(g.Count), Newest: at(g.Newest),
			Href: lanesPath + "/failed?" + url.Values{"task": {g.Task}, "group": {g.Key}}.Encode(),
		})
	}
	switch {
	case dead.Total == 0:
		return nil, ""
	case dead.More:
		return rows, templates.Count(shown) + " of more than " + templates.Count(dead.Total) + ", by their reasons: the newest 500 of each kind are looked at"
	case shown < dead.Total:
		return rows, templates.Count(shown) + " of " + templates.Count(dead.Total) + ", by their reasons: the newest 500 of each kind are looked at"
	}
	return rows, templates.Count(dead.Total) + " in all, by their reasons"
}

// atMost writes a count that stops at most: there may be more then.
func atMost(n, most int) string {
	if n < most {
		return templates.Count(n)
	}
	return templates.Count(n) + "+"
}

func healingRow(h store.Healing, at func(time.Time) templates.Moment) templates.HealingRow {
	row := templates.HealingRow{At: at(h.At), What: taskWords(h.Task), Reason: sentence(h.Reason), Count: templates.Count(h.Count)}
	if h.RowID != nil && h.Epoch != nil {
		ref := tasks.Ref{Kind: h.Task, ID: *h.RowID, Epoch: *h.Epoch}
		row.Href = searchPath + "?" + url.Values{"q": {ref.TaskID()}}.Encode()
	}
	return row
}

func (s *Server) pauseLane(w http.ResponseWriter, r *http.Request) error {
	return s.setPaused(w, r, "pause", true, "No worker takes further tasks of the lane %. What is in hand is finished; what comes in waits.")
}

func (s *Server) resumeLane(w http.ResponseWriter, r *http.Request) error {
	return s.setPaused(w, r, "resume", false, "Workers take tasks of the lane % again.")
}

func (s *Server) setPaused(w http.ResponseWriter, r *http.Request, verb string, paused bool, words string) error {
	lane := chi.URLParam(r, "lane")
	if !slices.Contains(tasks.Lanes(), lane) {
		return fault.New(fault.NotFound, "there is no such lane")
	}
	act := store.Act{Name: "queue." + verb, Subject: "lane " + lane, Details: map[string]any{"lane": lane}}
	// What Redis has done is noted also when whoever asked has gone meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), queuesTimeout)
	defer cancel()
	if stats, down := s.laneStats(ctx); !down {
		notePaused(act, stats[lane].Paused, paused)
	}
	err := s.DB.Noted(ctx, operatorActor(ctx), act, func() error { return s.Queue.Pause(ctx, lane, paused) })
	if _, told := answerTo(err); err != nil && !told {
		s.Log.WarnContext(r.Context(), "lane not changed", "lane", lane, "error", err)
		return fault.New(fault.Unavailable, "Redis does not answer, so the lane was not changed")
	}
	if err != nil {
		return err
	}
	return s.back(w, r, lanesPath, templates.Notice{Kind: templates.Well, Text: strings.ReplaceAll(words, "%", lane)})
}
