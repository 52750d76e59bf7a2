package web

import (
	"math"
	"slices"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// What an order's detail takes at Salla: the order, and its items.
const detailCalls = 2

// measuredFrom is how long a pass is at work before its rate says something.
const measuredFrom = 5 * time.Second

// forecast is what is left to be read of a resource, or of a run.
type forecast struct {
	known     bool    // how much is left
	records   int64   // left
	calls     float64 // that these take
	customers float64 // of the calls, those that the customers limit counts
	rate      float64 // records a minute, as measured; 0: none came lately
	callRate  float64 // calls a minute, as measured
	time      time.Duration
	limited   bool // Salla's limit is what it takes so long for
	details   bool // those of orders are among it, which begin when the lists are in
}

// streamForecast says what is left of a resource whose newest pass is open. A pass
// that ends where nothing new comes has no end that could be told.
func streamForecast(st store.StreamTotals, p store.StreamPace, allowed budget.State, now time.Time) forecast {
	var f forecast
	if p.Seconds >= measuredFrom.Seconds() {
		f.rate = float64(p.Records) * 60 / p.Seconds
		f.callRate = float64(p.Calls) * 60 / p.Seconds
		if st.Resource == "order_details" {
			f.callRate = f.rate * detailCalls
		}
	}
	if !p.Open {
		f.known = true
		return f
	}
	if f.known = st.SourceTotal != nil && !p.ToKnown && !p.Again; !f.known {
		return f
	}
	read := st.Imported + st.Unchanged + st.Rejected
	if p.Pass > 1 { // it reads the whole list again, and counts only what is new
		read = int64(p.Pages * p.PerPage)
	}
	f.records = max(*st.SourceTotal-read, 0)
	f.calls = callsFor(st.Resource, f.records, p)
	if st.Resource == "customers" {
		f.customers = f.calls
	}
	f.time, f.limited = timeFor(f, allowed, now)
	return f
}

// wholeTotals leaves out totals that are those of a few dates only, which are read
// again.
func wholeTotals(streams []store.StreamTotals, paces map[string]store.StreamPace) []store.StreamTotals {
	list := slices.Clone(streams)
	for i, st := range list {
		if paces[st.Resource].Again && st.SourceTotal != nil && *st.SourceTotal < st.Imported+st.Unchanged+st.Rejected {
			list[i].SourceTotal = nil
		}
	}
	return list
}

// callsFor is how many calls so many records of a resource take. Salla may give
// smaller pages than it was asked for: what came tells.
func callsFor(resource string, records int64, p store.StreamPace) float64 {
	if resource == "order_details" {
		return float64(records * detailCalls)
	}
	size := float64(max(p.PerPage, 1))
	if p.Pages > 0 && p.Found > 0 {
		size = min(size, float64(p.Found)/float64(p.Pages))
	}
	return math.Ceil(float64(records) / max(size, 1))
}

// runForecast says what is left of a run that is open: of its streams, and of the
// details of an initial one, whose stream opens when the lists are in.
func runForecast(run store.Run, paces map[string]store.StreamPace, allowed budget.State, now time.Time) forecast {
	f := forecast{known: len(run.Streams) > 0}
	var orders *int64
	var later float64 // calls that begin when the others have ended
	opened := make([]string, 0, len(run.Streams))
	for _, st := range run.Streams {
		s := streamForecast(st, paces[st.Resource], allowed, now)
		f.known = f.known && s.known
		f.records, f.calls, f.customers = f.records+s.records, f.calls+s.calls, f.customers+s.customers
		f.rate, f.callRate = f.rate+s.rate, f.callRate+s.callRate
		f.time, f.limited = max(f.time, s.time), f.limited || s.limited
		opened = append(opened, st.Resource)
		if st.Resource == "orders" {
			orders = st.SourceTotal
		}
	}
	for _, resource := range tenant.Resources() {
		if !slices.Contains(run.Resources, resource) || slices.Contains(opened, resource) {
			continue
		}
		switch {
		case resource != "order_details":
			f.known = false
		case run.Kind == store.RunInitial && orders != nil:
			later = float64(*orders * detailCalls)
		}
	}
	if !f.known {
		return f
	}
	if all, limited := timeFor(f, allowed, now); all >= f.time {
		f.time, f.limited = all, limited
	}
	if later > 0 { // other calls were measured so far: only the limit tells
		if !allowed.Known {
			f.known = false
			return f
		}
		then := time.Duration(allowedSeconds(later, allowed.Limit, allowed.Window, 0, now, now) * float64(time.Second))
		f.limited = f.limited || then > f.time
		f.calls, f.time, f.details = f.calls+later, f.time+then, true
	}
	return f
}

// timeFor is how long calls take: the later of what Salla allows and what was
// measured. limited: the former is, but for a fifth, as long as the latter.
func timeFor(f forecast, allowed budget.State, now time.Time) (whole time.Duration, limited bool) {
	if f.calls <= 0 {
		return 0, false
	}
	var permitted, measured float64 // seconds
	if allowed.Known {
		permitted = allowedSeconds(f.calls, allowed.Limit, allowed.Window, allowed.Left, allowed.BlockedUntil, now)
	}
	c := allowed.Customers
	permitted = max(permitted, allowedSeconds(f.customers, c.Limit, c.Window, c.Left, c.BlockedUntil, now))
	if f.callRate > 0 {
		measured = f.calls / f.callRate * 60
	}
	seconds := min(max(permitted, measured), (1000 * 24 * time.Hour).Seconds())
	return time.Duration(seconds * float64(time.Second)), permitted > 0 && permitted >= 0.8*measured
}

// allowedSeconds is how soon a limit lets calls through: what is left of it at once,
// the others as it comes back. 0 where nothing is known of the limit.
func allowedSeconds(calls float64, limit int, window time.Duration, left int, blocked, now time.Time) float64 {
	if calls <= 0 || limit <= 0 || window <= 0 {
		return 0
	}
	seconds := max(calls-float64(max(left, 0)), 0) * window.Seconds() / float64(limit)
	if blocked.After(now) {
		seconds += blocked.Sub(now).Seconds()
	}
	return seconds
}
