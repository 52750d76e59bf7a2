package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// overviewView puts a snapshot into words.
func overviewView(now snapshot, sp span, when func(time.Time) templates.Moment) templates.OverviewView {
	v := templates.OverviewView{
		Health: healthFacts(now, when), Needs: needNotices(now, when), Figures: figureViews(now, sp),
	}
	for _, other := range spans() {
		v.Spans = append(v.Spans, templates.Chip{
			Label: other.name, Href: "/admin?span=" + other.name, On: other.name == sp.name,
		})
	}
	if now.figures.Behind {
		v.Note = "What happened before the last minutes is still being counted."
	}
	for _, row := range now.newest {
		v.Newest = append(v.Newest, installRow(now, row, when))
	}
	if len(now.newest) == 0 {
		v.Empty = noStores()
	}
	return v
}

// noStores says what to do while there is no store.
func noStores() *templates.EmptyView {
	return &templates.EmptyView{
		Title:   "No store yet",
		Text:    "A store appears here when a merchant installs the app in Salla. To see one now, start the demo: it installs stores of its own.",
		Command: "make demo",
	}
}

func installRow(now snapshot, row store.StoreRow, when func(time.Time) templates.Moment) templates.InstallRow {
	v := templates.InstallRow{
		Href: tenantHref(row.ID), Name: row.Name, Merchant: number(row.Merchant),
		Steps: stepViews(now.steps[row.ID], now.at), Since: when(row.CreatedAt),
	}
	v.Kind, v.Status, v.Note = statusOf(row.Status, row.SuspendedBy, row.Connection)
	switch {
	case row.Status == "ready" && v.Note == "" && row.ReadyAt != nil:
		v.Note = "in " + templates.Duration(row.ReadyAt.Sub(row.CreatedAt))
		if row.Records != nil {
			v.Note += " · " + templates.Plural(*row.Records, "record", "records")
		}
	case row.Status == "provisioning" || row.Status == "failed":
		x := whole{tenant: now.tenants[row.ID], steps: now.steps[row.ID]}
		if why := x.why(); why != nil {
			v.Note = sentence(strings.TrimPrefix(strings.TrimPrefix(why.Text, "Not ready yet: "), "Not ready: "))
		}
	}
	return v
}

func healthFacts(now snapshot, when func(time.Time) templates.Moment) []templates.Fact {
	facts := []templates.Fact{{Label: "API", Kind: templates.Well, Value: "answers"}, workersFact(now.workers)}
	redis := templates.Fact{Label: "Redis", Kind: templates.Well, Value: "answers", Note: latency(now.redis)}
	switch {
	case now.redisErr != nil && now.redis == 0:
		redis = templates.Fact{Label: "Redis", Kind: templates.Off, Value: "not asked", Note: "REDIS_URL is not set"}
	case now.redisErr != nil:
		redis = templates.Fact{Label: "Redis", Kind: templates.Broken, Value: "does not answer", Note: "deliveries are kept; work waits"}
	case now.redis > slow:
		redis.Kind, redis.Value = templates.Wait, "answers slowly"
	}
	postgres := templates.Fact{Label: "PostgreSQL", Kind: templates.Well, Value: "answers", Note: latency(now.postgres)}
	if now.postgres > slow {
		postgres.Kind, postgres.Value = templates.Wait, "answers slowly"
	}
	facts = append(facts, redis, postgres, providerFact("Salla", now.salla, when), providerFact("Clerk", now.clerk, when))
	return withCircuits(facts, now, when)
}

// slow is a latency that people should know of.
const slow = 100 * time.Millisecond

func latency(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return templates.Duration(d)
}

func workersFact(workers []store.Worker) templates.Fact {
	f := templates.Fact{Label: "Workers", Href: "/admin/workers"}
	running, busy, lost := 0, 0, 0
	for _, w := range workers {
		switch w.State {
		case store.WorkerRunning, store.WorkerStopping:
			running++
			busy += len(w.Busy)
		case store.WorkerLost:
			lost++
		}
	}
	switch {
	case running == 0:
		f.Kind, f.Value = templates.Broken, "none runs"
		f.Note = "nothing is worked on"
	default:
		f.Kind, f.Value = templates.Well, templates.Plural(running, "runs", "run")
		f.Note = templates.Plural(busy, "task in hand", "tasks in hand")
	}
	if lost > 0 && running > 0 {
		f.Kind = templates.Wait
		f.Note = templates.Count(lost) + " lost"
	}
	return f
}

// providerFact says how a provider answers. Nobody asks it for that: what is known
// is what the work says.
func providerFact(name string, p store.Provider, when func(time.Time) templates.Moment) templates.Fact {
	f := templates.Fact{Label: name}
	switch {
	case p.Failing > 0:
		f.Kind, f.Value, f.Href = templates.Wait, "gives errors", "/admin/lanes"
		f.Note = templates.Plural(p.Failing, "task is", "tasks are") + " tried again"
	case p.Limited > 0:
		f.Kind, f.Value = templates.Run, "limits us"
		f.Note = templates.Plural(p.Limited, "task waits", "tasks wait") + " for it"
	case p.Answered != nil:
		m := when(*p.Answered)
		f.Kind, f.Value, f.Note, f.Time = templates.Well, "in order", "last answered", &m
	default:
		f.Kind, f.Value = templates.Off, "not asked yet"
	}
	return f
}

// needNotices are the sentences about what needs an operator, gravest first.
func needNotices(now snapshot, when func(time.Time) templates.Moment) []templates.Notice {
	var list []templates.Notice
	add := func(n int, kind, one, many, href string) {
		if n == 0 {
			return
		}
		words := templates.Count(n) + " " + many
		if n == 1 {
			words = "1 " + one
		}
		list = append(list, templates.Notice{Kind: kind, Text: words, Href: href, Link: "see"})
	}
	needs, byNeed := now.needs, func(n store.Need) string { return "/admin/tenants?status=" + string(n) }
	add(needs.FailedStores, templates.Broken, "store could not be set up: its page says which step failed and what to do.",
		"stores could not be set up: their pages say which step failed and what to do.", "/admin/tenants?status=failed")
	add(needs.Tenants[store.NeedReauthorisation], templates.Broken,
		"store needs its merchant: Salla does not accept its grant any more. Ask them to reinstall the app.",
		"stores need their merchants: Salla does not accept their grants any more. Ask them to reinstall the app.",
		byNeed(store.NeedReauthorisation))
	add(needs.Tenants[store.NeedRefreshUnknown], templates.Wait,
		"grant was refreshed without an answer: it is not refreshed again, and ends with its access token.",
		"grants were refreshed without an answer: they are not refreshed again, and end with their access tokens.",
		byNeed(store.NeedRefreshUnknown))
	add(needs.FailedEvents, templates.Broken, "event failed for good: mend the cause, then replay it.",
		"events failed for good: mend the cause, then replay them.", "/admin/events?status=failed")
	add(needs.DeadLetters, templates.Broken, "other piece of work was given up: the queues say why, and retry it.",
		"other pieces of work were given up: the queues say why, and retry them.", "/admin/lanes")
	add(needs.Tenants[store.NeedImport], templates.Wait, "store's newest import did not come out whole.",
		"stores' newest imports did not come out whole.", byNeed(store.NeedImport))
	add(needs.Tenants[store.NeedOwner], templates.Wait, "store is ready, but its owner has not accepted the invitation.",
		"stores are ready, but their owners have not accepted the invitation.", byNeed(store.NeedOwner))
	add(needs.Tenants[store.NeedOwnerGone], templates.Broken,
		"store has lost its owner or its organization at Clerk: its page says what to do.",
		"stores have lost their owners or their organizations at Clerk: their pages say what to do.", byNeed(store.NeedOwnerGone))
	lost, running := 0, 0
	for _, w := range now.workers {
		switch w.State {
		case store.WorkerLost:
			lost++
		case store.WorkerRunning:
			running++
		}
	}
	add(lost, templates.Wait, "worker is lost: what it had in hand is taken up by others within a minute.",
		"workers are lost: what they had in hand is taken up by others within a minute.", "/admin/workers")
	if running == 0 {
		list = append(list, templates.Notice{
			Kind: templates.Broken, Text: "No worker runs: deliveries are kept, but nothing is worked on. Start one.",
			Href: "/admin/workers", Link: "see",
		})
	}
	list = append(list, circuitNotices(now, when)...)
	list = append(list, troubleWith("Salla", now.salla)...)
	list = append(list, troubleWith("Clerk", now.clerk)...)
	slices.SortStableFunc(list, func(a, b templates.Notice) int { // what is broken comes first
		return strings.Compare(a.Kind, b.Kind)
	})
	return list
}

// troubleWith says that a provider gives errors.
func troubleWith(name string, p store.Provider) []templates.Notice {
	if p.Failing == 0 || p.Error == nil {
		return nil
	}
	return []templates.Notice{{
		Kind: templates.Wait,
		Text: fmt.Sprintf("%s gives errors; what needs it is tried again by itself. One of them: %s", name, closed(*p.Error)),
	}}
}

func figureViews(now snapshot, sp span) []templates.FigureView {
	f := now.figures
	last := "last " + sp.name
	points := func(of func(store.FigurePoint) float64) []float64 {
		list := make([]float64, len(f.Points))
		for i, p := range f.Points {
			list[i] = of(p)
		}
		return list
	}
	steady := func(of func(store.FigurePoint) *float64) []float64 { // where nobody looked, it is as it was
		kept := 0.0
		return points(func(p store.FigurePoint) float64 {
			if v := of(p); v != nil {
				kept = *v
			}
			return kept
		})
	}
	minutes := sp.length.Minutes() / float64(sp.parts)
	dead := now.needs.FailedStores + now.needs.FailedEvents + now.needs.DeadLetters
	figures := []templates.FigureView{
		{
			Label: "Installs", Value: templates.Count(f.Installs), Note: "in the " + last, Href: "/admin/tenants",
			Points: points(func(p store.FigurePoint) float64 { return float64(p.Installs) }),
		},
		{
			Label: "Time to ready", Value: secondsText(f.ReadyP50), Note: "half of them · 95 %: " + secondsText(f.ReadyP95),
			Points: steady(func(p store.FigurePoint) *float64 { return p.Ready }),
		},
		{
			Label: "Events in", Value: templates.Count(f.In), Note: templates.Count(f.Applied) + " applied", Href: "/admin/events",
			Points: points(func(p store.FigurePoint) float64 { return float64(p.In) }),
		},
		{
			Label: "Records a minute", Value: templates.Rate(f.RecordsPerMinute), Href: "/admin/imports",
			Note:   templates.Count(f.Records) + " in the " + last,
			Points: points(func(p store.FigurePoint) float64 { return float64(p.Records) / minutes }),
		},
		{
			Label: "Oldest waiting task", Value: "none", Note: "due, and taken by nobody", Href: "/admin/lanes",
			Points: steady(func(p store.FigurePoint) *float64 { return p.Oldest }),
		},
		{
			Label: "Failures", Value: templates.Count(dead), Note: "given up, waiting for somebody", Href: "/admin/lanes",
			Points: steady(func(p store.FigurePoint) *float64 {
				if p.Dead == nil {
					return nil
				}
				v := float64(*p.Dead)
				return &v
			}),
		},
	}
	if f.ReadyP50 == nil {
		figures[1].Note = "none became ready in the " + last
	}
	if f.Oldest != nil {
		age := now.at.Sub(*f.Oldest)
		figures[4].Value = templates.Duration(max(age, 0).Truncate(time.Second))
		if age < time.Second {
			figures[4].Value = "under 1 s"
		}
		switch {
		case age > 10*time.Minute:
			figures[4].Kind = templates.Broken
		case age > time.Minute:
			figures[4].Kind = templates.Wait
		}
	}
	if dead > 0 {
		figures[5].Kind = templates.Broken
	}
	for i := range figures {
		figures[i].Span = last
	}
	return figures
}

func secondsText(s *float64) string {
	if s == nil {
		return "–"
	}
	return templates.Duration(time.Duration(*s * float64(time.Second)))
}
