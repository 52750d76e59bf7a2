package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

// importState is all that the words about an import are made of.
type importState struct {
	run     store.Run
	work    store.RunWork
	paces   map[string]store.StreamPace
	allowed budget.State
	circuit *store.Circuit // at Salla, of the store or of all: open
	now     time.Time
	at      func(time.Time) templates.Moment
}

func (x importState) open() bool { return x.run.FinishedAt == nil }

func (x importState) forecast() forecast { return runForecast(x.run, x.paces, x.allowed, x.now) }

// why says in a sentence why an import stands as it does, with what to do; "" where
// it simply goes on, or came out whole.
func (x importState) why() (kind, words string) {
	kind = importKind(x.run.Status)
	reason := text(x.run.Reason)
	switch {
	case !x.open() && (reason == "" || x.run.Status == "complete"):
		return kind, ""
	case x.run.Status == "incomplete":
		return kind, sentence(reason) + " Everything else is stored. Import again compares it once more."
	case x.run.Status == "failed" && (x.work.Dead > 0 || x.work.Failed):
		return kind, sentence(reason) + " What was imported stays. Mend the cause, then retry where it failed."
	case x.run.Status == "failed":
		return kind, sentence(reason) + " What was imported stays. Mend the cause, then import again."
	case !x.open():
		return kind, sentence(reason)
	case x.run.Status == "paused":
		return kind, x.pausedWords()
	case x.work.Queued:
		return templates.Wait, "Queued behind the store's other import."
	}
	if words := x.waitsForStore(); words != "" {
		return templates.Wait, words
	}
	return x.waitsForSalla()
}

func (x importState) pausedWords() string {
	if x.work.PausedBy == nil || x.work.PausedAt == nil {
		return "Paused by an operator."
	}
	return "Paused by " + *x.work.PausedBy + " since " + x.at(*x.work.PausedAt).Clock + "."
}

// waitsForStore says what the tenant itself keeps an import waiting for.
func (x importState) waitsForStore() string {
	connection := text(x.work.Connection)
	switch {
	case x.work.Tenant == string(tenant.Suspended) && text(x.work.Suspended) == string(tenant.ByUninstall):
		return "Waits: the merchant uninstalled the app. It goes on by itself when they install it again."
	case x.work.Tenant == string(tenant.Suspended):
		return "Waits until the store is resumed."
	case connection == store.ConnectionParked:
		return "Waits for a grant: the merchant must reinstall the app. It then goes on by itself."
	case connection == store.ConnectionRevoked:
		return "Waits for a grant: the app was uninstalled. It goes on by itself when the merchant installs it again."
	case x.run.Status == "waiting" && connection == "":
		return "Waits for a grant: no Salla store has granted access yet."
	case x.run.Status == "waiting":
		return sentence(waitText(text(x.run.Reason)))
	}
	return ""
}

// waitsForSalla says what keeps an import from going on at this moment.
func (x importState) waitsForSalla() (kind, words string) {
	said, due := text(x.work.LastError), x.work.DueAt
	later := due != nil && due.Sub(x.now) > 2*time.Second
	switch {
	case x.circuit != nil:
		words = "Salla does not answer"
		if x.circuit.Kind == store.CircuitStore {
			words += " for this store"
		}
		return templates.Wait, words + " (" + x.circuit.Reason + "): tried again at " + x.at(*x.circuit.RetryAt).Clock + "."
	case x.allowed.BlockedUntil.After(x.now):
		return templates.Wait, "Waits until " + x.at(x.allowed.BlockedUntil).Clock + ": Salla asked for silence, as its limit of requests was passed."
	case x.work.Attempts > 0 && said != "":
		words = fmt.Sprintf("Attempt %d failed: %s", x.work.Attempts, closed(said))
		switch {
		case due == nil:
		case later: // by the clock: a list's rows stay as high as they are
			words += " It is tried again at " + x.at(*due).Clock + "."
		default:
			words += " It is tried again now."
		}
		return templates.Wait, words
	case said != "" && later:
		return templates.Wait, "Waits until " + x.at(*due).Clock + ": " + forWords(said) + "."
	case x.work.Dead > 0:
		return templates.Broken, templates.Plural(x.work.Dead, "page was", "pages were") +
			" given up; the rest goes on. Mend the cause, then retry where it failed."
	case x.run.StartedAt == nil:
		return templates.Wait, "Begins within seconds."
	}
	return importKind(x.run.Status), ""
}

// forWords is what is waited for: Salla's limit of requests.
func forWords(said string) string {
	return strings.TrimPrefix(strings.TrimPrefix(waitText(said), "waits for "), "room in ")
}

// line sums up an import: for 2 m 10 s · Salla allows 2 requests a second: about 40
// minutes left.
func (x importState) line() string {
	run := x.run
	if !x.open() {
		var took string
		if run.StartedAt != nil {
			took = "took " + templates.Duration(run.FinishedAt.Sub(*run.StartedAt))
		}
		return joined(took, "ended "+x.at(*run.FinishedAt).Exact)
	}
	if run.StartedAt == nil {
		return ""
	}
	parts := []string{"for " + templates.Duration(x.now.Sub(*run.StartedAt).Truncate(time.Second))}
	if run.Status == "paused" {
		return parts[0]
	}
	f := x.forecast()
	if f.rate > 0 {
		parts = append(parts, perMinute(f.rate, "records a minute"))
	}
	return joined(append(parts, x.leftWords(f))...)
}

// leftWords says how long an import will still take, and that Salla's limit is what
// it takes so long for.
func (x importState) leftWords(f forecast) string {
	if f.known && f.calls == 0 && x.allRead() {
		return "all is read: compares it with what Salla counts"
	}
	if !f.known || f.time == 0 {
		if x.allowed.Known && f.calls > 0 {
			return "Salla allows " + allowedWords(x.allowed.Limit, x.allowed.Window)
		}
		return ""
	}
	left := leftWords(f.time)
	if f.details {
		left += ", the details of orders included"
	}
	switch {
	case !f.limited:
		return left
	case f.customersAlone(x.allowed):
		c := x.allowed.Customers
		return "Salla allows " + allowedWords(c.Limit, c.Window) + " for customers, of all stores together: " + left
	case x.allowed.Known:
		return "Salla allows " + allowedWords(x.allowed.Limit, x.allowed.Window) + ": " + left
	}
	return left
}

func (x importState) allRead() bool {
	for _, st := range x.run.Streams {
		if st.FinishedAt == nil {
			return false
		}
	}
	return len(x.run.Streams) > 0
}

// customersAlone tells whether the limit that customers have is the narrower one.
func (f forecast) customersAlone(allowed budget.State) bool {
	now := time.Time{}
	c := allowed.Customers
	own := allowedSeconds(f.customers, c.Limit, c.Window, c.Left, now, now)
	return own > 0 && (!allowed.Known || own > allowedSeconds(f.calls, allowed.Limit, allowed.Window, allowed.Left, now, now))
}

// allowedWords says a limit: 2 requests a second; 90 requests a minute; 500 requests
// in 10 minutes.
func allowedWords(limit int, window time.Duration) string {
	count := func(n float64, of string) string {
		words := strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0")
		if n >= 10 {
			words = templates.Count(int64(math.Round(n)))
		}
		if words == "1" {
			return "1 request " + of
		}
		return words + " requests " + of
	}
	second := float64(limit) / window.Seconds()
	switch {
	case second >= 1 && (second >= 10 || second == math.Trunc(second*2)/2):
		return count(second, "a second")
	case window <= time.Minute:
		return count(second*60, "a minute")
	}
	return templates.Plural(limit, "request", "requests") + " in " + templates.Duration(window)
}

// perMinute prints a measured rate, which is a guess below ten.
func perMinute(rate float64, what string) string {
	return templates.Rate(rate) + " " + what
}

// streamLine is the progress of one resource with its rate, its end, or what it
// waits for.
func (x importState) streamLine(st store.StreamTotals) templates.ProgressView {
	v := streamProgress(st, x.run)
	p := x.paces[st.Resource]
	switch {
	case st.FinishedAt != nil && st.Status == "complete":
		v.Note = "done in " + templates.Duration(st.FinishedAt.Sub(st.StartedAt))
		return v
	case st.FinishedAt != nil:
		return v
	case !x.open():
		if st.Status != "failed" { // it has a reason of its own
			v.Kind, v.Note = importKind(x.run.Status), "not read to its end"
		}
		return v
	}
	waits := text(p.Waits)
	switch {
	case x.run.Status == "paused":
		v.Kind, v.Note = templates.Off, "paused"
	case x.run.Status == "waiting" && waits == "":
		v.Kind, v.Note = templates.Wait, "waiting"
	case waits != "" && p.DueAt == nil && p.Records == 0 && p.Attempts == 0:
		v.Kind, v.Note = templates.Wait, waitText(waits)
	case waits != "" && p.Attempts > 0:
		v.Kind = templates.Wait
		v.Note = fmt.Sprintf("attempt %d failed: %s", p.Attempts, waits)
		if p.DueAt != nil {
			v.Note += "; again " + spokenDelay(*p.DueAt, x.now)
		}
	case waits != "" && p.DueAt != nil && p.DueAt.Sub(x.now) > 2*time.Second:
		v.Kind, v.Note = templates.Wait, waitText(waits)+", goes on "+spokenDelay(*p.DueAt, x.now)
	default:
		f := streamForecast(st, p, x.allowed, x.now)
		var rate, left string
		if f.rate > 0 {
			rate = perMinute(f.rate, "a minute")
		}
		if f.known && f.time > 0 {
			left = leftWords(f.time)
		}
		if p.ToKnown {
			left = "reads until nothing is new"
		}
		if p.Again {
			left = "reads some dates again"
		}
		if words := joined(rate, left); words != "" {
			v.Note = words
		}
	}
	if p.Dead > 0 {
		v.Note = joined(v.Note, templates.Plural(p.Dead, "page was", "pages were")+" given up")
	}
	return v
}

// openCircuitOf is the circuit that keeps a store's calls to Salla from being made:
// that of Salla itself before that of the store.
func openCircuitOf(open []store.Circuit, merchant *int64) *store.Circuit {
	var found *store.Circuit
	for i, c := range open {
		switch {
		case c.Name == circuit.NameSalla:
			return &open[i]
		case merchant != nil && c.Name == circuit.StoreName(*merchant):
			found = &open[i]
		}
	}
	return found
}
