package web

import (
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// bulkStatus is the status of a bulk act as a dot and a word.
func bulkStatus(b store.Bulk) (kind, word string) {
	switch {
	case b.GivenUp():
		return templates.Broken, "stopped"
	case b.Status == store.BulkReady:
		return templates.Off, "not started"
	case b.Status == store.BulkRunning:
		return templates.Run, b.Status
	case b.Status == store.BulkPaused:
		return templates.Wait, b.Status
	case b.Status == store.BulkCancelled:
		return templates.Off, b.Status
	case b.Failed > 0:
		return templates.Broken, "done, with failures"
	}
	return templates.Well, b.Status
}

// bulkRow is one line of the list of bulk acts.
func bulkRow(b store.Bulk, at func(time.Time) templates.Moment) templates.BulkRow {
	row := templates.BulkRow{
		Href: bulkHref(b.ID), Title: bulkTitle(b), Filter: b.Filter, Reason: text(b.Reason), By: b.Actor, Created: at(b.CreatedAt),
		Far: templates.Count(b.Done) + " / " + templates.Count(b.Total),
	}
	row.Kind, row.Status = bulkStatus(b)
	return row
}

// bulkDraft is what a bulk act would do, and the form that starts it.
func bulkDraft(b store.Bulk, verdicts []store.BulkVerdict, try bulkTry) *templates.BulkDraft {
	path := bulkHref(b.ID)
	would := 0
	for _, v := range verdicts {
		if v.Why == "" {
			would += v.N
		}
	}
	d := &templates.BulkDraft{
		Total: templates.Count(b.Total), Facts: bulkFollows(b), Undo: bulkUndoable(b), None: would == 0,
		Action: path + "/start", Drop: path + "/drop", Danger: b.Act == store.BulkSuspend,
		Start: bulkVerb(b.Act) + " " + bulkMany(b.Kind, would),
		Why:   try.why, Word: bulkWord(b), Typed: try.typed, WhyError: try.whyError, WordError: try.typedError,
	}
	if b.Beyond {
		d.Beyond = "The list has more: the newest " + templates.Count(b.Total) + " are chosen, which is as many as one bulk act can have."
	}
	for _, v := range verdicts {
		d.Would = append(d.Would, bulkWould(b, v))
	}
	if b.Act == store.BulkImport {
		scope := importScopeOf(try.given.Resources, try.since, try.sinceError)
		d.Scope = &scope
	}
	return d
}

// bulkWould is one part of the dry run.
func bulkWould(b store.Bulk, v store.BulkVerdict) templates.BulkWould {
	w := templates.BulkWould{Kind: templates.Well, Text: bulkMany(b.Kind, v.N) + " would be " + bulkParticiple(b.Act), Note: sentence(v.Note)}
	if v.Why != "" {
		w.Kind, w.Text, w.Note = templates.Off, bulkMany(b.Kind, v.N)+" would be passed over", sentence(v.Why)
	}
	for _, item := range v.Sample {
		label, href := itemLabel(b, item)
		w.Sample = append(w.Sample, templates.BulkLink{Label: label, Href: href})
	}
	if rest := v.N - len(v.Sample); rest > 0 {
		w.More = "and " + templates.Count(rest) + " more"
	}
	return w
}

// itemLabel names an item and leads to it.
func itemLabel(b store.Bulk, i store.BulkItem) (label, href string) {
	switch b.Kind {
	case store.BulkTenants:
		label, href = text(i.Store), tenantHref(i.Subject)
	case store.BulkEvents:
		label, href = text(i.Event), eventsPath+"/"+i.Subject.String()
	default:
		label, href = taskWords(i.Task)+" …"+i.Subject.String()[24:], ownerHref(i.Task, i.Subject, i.TenantID)
		if href == "" {
			href = failedPath
		}
	}
	if label == "" {
		label = i.Subject.String()
	}
	return label, href
}

// bulkStateView is how a bulk act that was started stands. Pure.
func bulkStateView(b store.Bulk, reasons []store.BulkReason, undo *store.Bulk, at func(time.Time) templates.Moment) *templates.BulkState {
	path := bulkHref(b.ID)
	v := &templates.BulkState{Facts: bulkFacts(b, at)}
	v.Kind, v.Status = bulkStatus(b)
	v.Progress = templates.ProgressView{
		Label: "Done", Done: templates.Count(b.Done), Total: templates.Count(b.Total), Kind: v.Kind,
		Percent: templates.Percent(int64(b.Done), int64(b.Total)),
	}
	if b.LastError != nil && !b.Ended() && b.Status != store.BulkPaused {
		v.Trouble = sentence(*b.LastError)
	}
	act := func(name, label string) templates.ActView {
		return templates.ActView{Action: path + "/" + name, Label: label}
	}
	switch {
	case b.Status == store.BulkPaused || b.GivenUp():
		resume := act("resume", "Resume")
		resume.Primary = true
		v.Acts = append(v.Acts, resume, act("cancel", "Cancel the rest"))
	case b.Status == store.BulkRunning:
		v.Acts = append(v.Acts, act("pause", "Pause"), act("cancel", "Cancel the rest"))
	case undo != nil:
		v.UndoHref = bulkHref(undo.ID)
	case store.BulkUndo(b.Act) == "":
		v.UndoNote = bulkUndoable(b)
	case b.Changed == 0:
		v.UndoNote = "There is nothing to undo: nothing was changed."
	default:
		v.Acts = append(v.Acts, act("undo", "Undo…"))
	}
	for _, r := range reasons {
		row := templates.BulkReasonRow{
			Kind: templates.Off, State: "passed over", Text: sentence(r.Outcome), Count: templates.Count(r.N), Href: path + "?show=" + r.State,
		}
		if r.State == store.ItemFailed {
			row.Kind, row.State = templates.Broken, "failed"
		}
		v.Reasons = append(v.Reasons, row)
	}
	return v
}

func bulkFacts(b store.Bulk, at func(time.Time) templates.Moment) []templates.Fact {
	started, finished := momentOf(at, b.StartedAt), momentOf(at, b.FinishedAt)
	list := []templates.Fact{
		{Label: "Changed", Value: templates.Count(b.Changed)},
		{Label: "Passed over", Value: templates.Count(b.Skipped)},
		{Label: "Failed", Value: templates.Count(b.Failed)},
		{Label: "Not come to", Value: templates.Count(b.Total - b.Done)},
		{Label: "Started by", Value: b.Actor, Time: &started},
		{Label: "Reason", Value: text(b.Reason)},
	}
	if b.FinishedAt != nil {
		list = append(list, templates.Fact{Label: "Ended", Time: &finished})
	}
	if len(b.Arguments.Resources) > 0 {
		words := make([]string, len(b.Arguments.Resources))
		for i, resource := range b.Arguments.Resources {
			words[i] = resourceWords(resource)
		}
		list = append(list, templates.Fact{Label: "Reads", Value: joined(words...)})
	}
	if since := b.Arguments.Since; since != nil {
		list = append(list, templates.Fact{Label: "Orders since", Value: dayAtSalla(*since)})
	}
	if b.UndoOf != nil {
		list = append(list, templates.Fact{Label: "Takes back", Value: "the bulk act before", Href: bulkHref(*b.UndoOf)})
	}
	return list
}

// itemChips are the states of items with how many there are of each.
func itemChips(b store.Bulk) []chip {
	return []chip{
		{"", "all", templates.Count(b.Total), ""},
		{store.ItemDone, "changed", templates.Count(b.Changed), templates.Well},
		{store.ItemSkipped, "passed over", templates.Count(b.Skipped), templates.Off},
		{store.ItemFailed, "failed", templates.Count(b.Failed), templates.Broken},
		{store.ItemPending, "not come to", templates.Count(b.Total - b.Done), templates.Wait},
	}
}

func bulkItemRow(b store.Bulk, i store.BulkItem, at func(time.Time) templates.Moment) templates.BulkItemRow {
	row := templates.BulkItemRow{N: i.N, Why: sentence(text(i.Outcome)), At: momentOf(at, i.DoneAt)}
	row.Label, row.Href = itemLabel(b, i)
	if i.TenantID != nil {
		row.Store, row.To = text(i.Store), tenantHref(*i.TenantID)
	}
	switch i.State {
	case store.ItemDone:
		row.Kind, row.Status = templates.Well, bulkParticiple(b.Act)
	case store.ItemSkipped:
		row.Kind, row.Status = templates.Off, "passed over"
	case store.ItemFailed:
		row.Kind, row.Status = templates.Broken, "failed"
	default:
		row.Kind, row.Status = templates.Off, "not come to"
	}
	return row
}
