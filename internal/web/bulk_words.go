package web

import (
	"net/url"
	"strings"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// bulkVerb is what the button of an act says.
func bulkVerb(act string) string {
	switch act {
	case store.BulkRetry:
		return "Retry"
	case store.BulkImport:
		return "Import again"
	case store.BulkSuspend:
		return "Suspend"
	case store.BulkResume:
		return "Resume"
	case store.BulkReplay:
		return "Replay"
	}
	return act
}

// bulkParticiple is what becomes of what an act is done to.
func bulkParticiple(act string) string {
	switch act {
	case store.BulkRetry:
		return "retried"
	case store.BulkImport:
		return "imported again"
	case store.BulkSuspend:
		return "suspended"
	case store.BulkResume:
		return "resumed"
	case store.BulkReplay:
		return "replayed"
	}
	return act
}

// bulkMany counts subjects in words.
func bulkMany(kind string, n int) string {
	switch kind {
	case store.BulkTenants:
		return templates.Plural(n, "store", "stores")
	case store.BulkEvents:
		return templates.Plural(n, "event", "events")
	}
	return templates.Plural(n, "piece of failed work", "pieces of failed work")
}

// bulkTitle names a bulk act: Suspend 12 stores.
func bulkTitle(b store.Bulk) string {
	title := bulkVerb(b.Act) + ": " + bulkMany(b.Kind, b.Total)
	if b.UndoOf != nil {
		title = "Undo · " + title
	}
	return title
}

// bulkList is the list that subjects of a kind are chosen from.
func bulkList(kind string) string {
	switch kind {
	case store.BulkTenants:
		return tenantsPath
	case store.BulkEvents:
		return eventsPath
	}
	return failedPath
}

// bulkSection is the entry of the navigation that a bulk act belongs to.
func bulkSection(kind string) string {
	switch kind {
	case store.BulkTenants:
		return "tenants"
	case store.BulkEvents:
		return "events"
	}
	return "queues"
}

// bulkWords says which rows of a list are chosen.
func bulkWords(what string, filters url.Values) string {
	var parts []string
	for _, name := range []string{"status", "need", "source", "event", "task", "lane", "merchant", "tenant", "group", "reason", "from", "to", "after", "before", "q", "text"} {
		value := filters.Get(name)
		if value == "" {
			continue
		}
		switch name {
		case "q":
			name, value = "search", "“"+value+"”"
		case "text":
			name, value = "payload has", "“"+value+"”"
		case "reason":
			name, value = "reason has", "“"+value+"”"
		case "group":
			name, value = "of", "one reason"
		}
		parts = append(parts, name+" "+value)
	}
	if len(parts) == 0 {
		return "all " + what
	}
	return what + ": " + strings.Join(parts, ", ")
}

// bulkFollows says what follows from an act, one sentence each.
func bulkFollows(b store.Bulk) []string {
	const paced = "Of one store a few go on at a time; the others wait behind them."
	switch {
	case b.Kind == store.BulkEvents:
		return []string{
			"Each delivery is applied again to the store's records. What is newer there stays; doing it twice changes nothing more.", paced,
		}
	case b.Kind == store.BulkDead:
		return []string{"Each begins again with no attempts spent. What fails again is a dead letter again.", paced}
	case b.Act == store.BulkRetry:
		return []string{"Each goes on with the step that failed, with no attempts spent."}
	case b.Act == store.BulkImport:
		return []string{
			"Each store's lists are read again; what is new or changed is stored, what is the same stays as it is.",
			"Salla's limits hold: the imports of many stores take their time, and none slows another store down.",
		}
	case b.Act == store.BulkSuspend:
		return []string{
			"The stores' people can't use their CRM until they are resumed.",
			"Their databases take no logins; nothing in them is removed.",
			"Events from Salla are kept and wait; running imports stop where they are and go on from there.",
		}
	case b.Act == store.BulkResume:
		return []string{"Their databases open again, and what waited goes on by itself."}
	}
	return nil
}

// bulkUndoable says whether an act can be undone, and if not why.
func bulkUndoable(b store.Bulk) string {
	switch {
	case b.Act == store.BulkSuspend:
		return "It can be undone: Undo resumes those that this suspended, and that nobody has changed since."
	case b.Act == store.BulkResume:
		return "It can be undone: Undo suspends those again that this resumed, and that nobody has changed since."
	case b.Act == store.BulkImport:
		return "It can't be undone: what an import has stored stays. An import that goes on can be cancelled on its page."
	case b.Kind == store.BulkEvents:
		return "It can't be undone: what an event changed stays. A newer event of the same record changes it again."
	}
	return "It can't be undone: work that has begun again goes on to its end."
}
