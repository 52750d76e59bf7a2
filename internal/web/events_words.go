package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

// number prints a merchant's number, which is no count: it has no separators.
func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// eventKind is the kind of state that an event's status is.
func eventKind(e store.Event) string {
	switch e.Status {
	case store.EventApplied:
		return templates.Well
	case store.EventFailed:
		return templates.Broken
	case store.EventIgnored:
		return templates.Off
	case store.EventReceived:
		if e.Error == nil && e.State != "held" {
			return templates.Run
		}
	}
	return templates.Wait
}

// eventReason says in one line what an event waits for, or what went wrong.
func eventReason(e store.Event, t *store.TenantLabel) string {
	switch {
	case e.Status == store.EventWaiting && e.WaitingFor != nil:
		return eventWaitWords(*e.WaitingFor, e, t)
	case e.Status == store.EventReceived && e.State == "held":
		return "waits for its turn behind others of its store"
	case e.Status == store.EventReceived && e.Error != nil:
		return "is tried again: " + *e.Error
	case e.Error != nil:
		return *e.Error
	}
	return ""
}

func eventWaitWords(wait string, e store.Event, t *store.TenantLabel) string {
	switch wait {
	case store.WaitMerchant:
		return "waits for a tenant with merchant " + number(e.Merchant)
	case store.WaitReady:
		if t != nil && t.Status == string(tenant.Failed) {
			return "waits for its store to be set up, which failed"
		}
		return "waits for its store to be set up"
	case store.WaitGrant:
		return "waits for Salla's grant, which the merchant has to renew"
	case store.WaitResume:
		if t != nil && t.SuspendedBy != nil && *t.SuspendedBy == string(tenant.ByUninstall) {
			return "waits for its store, which uninstalled the app"
		}
		return "waits for its store, which is suspended"
	}
	return "waits for " + wait
}

// advice is what ends a wait or mends a failure, with where that is done.
type advice struct{ text, href, link string }

// eventAdvice says what to do about an event, or that nothing is to be done.
func eventAdvice(e store.Event, t *store.TenantLabel) advice {
	var a advice
	if t != nil {
		a.href, a.link = tenantHref(t.ID), "go to the tenant"
	}
	switch e.Status {
	case store.EventWaiting:
		if e.WaitingFor != nil {
			a.text = eventWaitAdvice(*e.WaitingFor, t)
		}
		if e.WaitingFor != nil && *e.WaitingFor == store.WaitMerchant {
			a.href, a.link = "/admin/events?merchant="+number(e.Merchant), "all events of this merchant"
		}
	case store.EventFailed:
		a.text = "Nothing of it was applied, and it is kept. Mend the cause, then replay it."
		if e.Attempts == 0 {
			a.text = "It can't be read as it was sent, so replaying changes nothing by itself: the sender has to send it again."
		}
	case store.EventIgnored:
		a.text = "Nothing was changed by it, and nothing is to be done."
	case store.EventReceived:
		a.text = "It is tried again by itself; nothing is lost."
		if e.State == "held" {
			a.text = fmt.Sprintf("Of one store %d events are applied at a time, so that no store holds up the others.", store.EventWindow)
		}
	}
	return a
}

func eventWaitAdvice(wait string, t *store.TenantLabel) string {
	switch wait {
	case store.WaitMerchant:
		return "It goes on by itself when the app is installed in that store or a tenant is registered with this number. After 30 days it is ignored."
	case store.WaitReady:
		if t != nil && t.Status == string(tenant.Failed) {
			return "Setting up the store failed. Mend that and retry it; this goes on by itself then."
		}
		return "It goes on by itself when the store is ready."
	case store.WaitGrant:
		return "Salla no longer accepts the store's grant. Ask the merchant to reinstall the app; this goes on by itself then."
	case store.WaitResume:
		if t != nil && t.SuspendedBy != nil && *t.SuspendedBy == string(tenant.ByUninstall) {
			return "It goes on by itself when the merchant installs the app again."
		}
		return "Resume the tenant; this goes on by itself then."
	}
	return ""
}

// attemptsOf prints how often an event was tried.
func attemptsOf(e store.Event) string {
	n := e.Attempts
	if e.Status == store.EventApplied || e.Status == store.EventIgnored {
		n++ // the one that got through
	}
	if n == 0 {
		return "–"
	}
	return templates.Count(n)
}

// aboutCount prints a count that is an estimate once it is large.
func aboutCount(n int64, estimated bool) string {
	if !estimated || n < 1000 {
		return templates.Count(n)
	}
	step := int64(1)
	for v := n; v >= 1000; v /= 10 {
		step *= 10
	}
	return "≈ " + templates.Count(n/step*step)
}

// replayText says what replaying an event will do.
func replayText(e store.Event, gone bool) string {
	if gone {
		return "What it said was dropped when its retention was over: replaying it would change nothing."
	}
	switch {
	case e.Status == store.EventFailed && e.Attempts == 0:
		return "Reads the delivery again. It fails in the same way, unless this version reads what the one before could not."
	case e.Source == "clerk":
		return "Reads the delivery again and compares the tenant with what Clerk says now. Doing it twice changes nothing more."
	case strings.HasPrefix(e.Event, "app."):
		return "Applies the delivery again: what is older than the tenant's present installation or grant is ignored. A grant that was known before is never stored again."
	}
	return "Applies the delivery again to the tenant's records. What is newer there stays; doing it twice changes nothing more."
}

// spokenDelay prints how long it is until t.
func spokenDelay(t, now time.Time) string {
	if !t.After(now) {
		return "now"
	}
	return "in " + templates.Duration(t.Sub(now).Round(time.Second))
}
