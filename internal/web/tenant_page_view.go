package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

// head is what every page about a tenant begins with.
func (x whole) head(tab string, at func(time.Time) templates.Moment) templates.TenantHead {
	t, path := x.tenant, tenantHref(x.tenant.ID)
	h := templates.TenantHead{
		Name: t.Name, Domain: t.Words().Domain, Merchant: number(t.Merchant), ID: t.ID.String(),
		SinceWords: "installed", Since: at(t.CreatedAt), Line: x.line(), Why: x.why(), More: append(x.circuitNotice(at), x.more(path)...), Acts: x.acts(path),
	}
	if t.ByHand {
		h.SinceWords = "registered by hand"
	}
	var connection *string
	if x.connection != nil {
		connection = &x.connection.Status
	}
	var note string
	h.Kind, h.Status, note = statusOf(t.Status, t.SuspendedBy, connection)
	if note != "" {
		h.Status += ", " + note
	}
	if t.Status == string(tenant.Ready) && t.ReadyAt != nil {
		h.SinceWords, h.Since = "since", at(*t.ReadyAt)
	}
	for _, other := range []templates.Tab{
		{Label: "overview", Href: path},
		{Label: "data", Href: path + "/data"},
		{Label: "rejects", Href: path + "/rejects"},
		{Label: "events", Href: path + "/events"},
		{Label: "connection", Href: path + "/connection"},
		{Label: "database", Href: path + "/database"},
		{Label: "notes", Href: path + "/notes"},
	} {
		other.On = other.Label == tab
		switch other.Label {
		case "rejects":
			if n := x.counts.Rejected; n > 0 {
				other.Count = templates.Count(n)
			}
		case "events":
			if n := int(x.counts.Events); n > 0 {
				other.Count = many(n, 10_000)
			}
		case "notes":
			if x.notes > 0 {
				other.Count = many(x.notes, 100)
			}
		}
		h.Tabs = append(h.Tabs, other)
	}
	return h
}

// line sums up a tenant: ready in 0.8 s · 13,412 records · plan pro.
func (x whole) line() string {
	t := x.tenant
	var parts []string
	if t.ReadyAt != nil {
		parts = append(parts, "ready in "+templates.Duration(t.ReadyAt.Sub(t.CreatedAt)))
	}
	if x.counts.Records != nil {
		parts = append(parts, templates.Plural(*x.counts.Records, "record", "records"))
	}
	if t.Plan != nil {
		parts = append(parts, "plan "+*t.Plan)
	}
	if t.DatabaseServer != nil {
		parts = append(parts, "server "+*t.DatabaseServer)
	}
	if t.ModelVersion != nil {
		parts = append(parts, fmt.Sprintf("model %d", *t.ModelVersion))
	}
	return strings.Join(parts, " · ")
}

// acts are what an operator may do to a tenant as it is. What can't be done now is
// not there: the page has no buttons that are refused.
func (x whole) acts(path string) []templates.ActView {
	var list []templates.ActView
	t := x.tenant
	if t.State == "failed" {
		list = append(list, templates.ActView{Action: path + "/retry", Label: "Retry", Primary: true})
	}
	if n := x.deadBeside(); n > 0 {
		list = append(list, templates.ActView{
			Action: failedPath + "/retry-all", Label: "Retry all that failed", Confirm: "ask", Hidden: map[string]string{"tenant": t.ID.String()},
		})
	}
	switch tenant.Status(t.Status) {
	case tenant.Ready:
		list = append(list, templates.ActView{Action: path + "/import", Label: "Import again", Confirm: "ask"})
	case tenant.Suspended:
		if text(t.SuspendedBy) == string(tenant.ByOperator) {
			list = append(list, templates.ActView{Action: path + "/resume", Label: "Resume", Primary: true})
		}
		return list
	case tenant.Deprovisioning, tenant.Deleted:
		return nil
	}
	return append(list, templates.ActView{Action: path + "/suspend", Label: "Suspend", Confirm: "ask", ConfirmWord: t.Name, Danger: true})
}

// shown are the runs that the page shows: those that are open, or else the newest.
func (x whole) shown() []store.Run {
	var open []store.Run
	for _, run := range x.runs {
		if run.FinishedAt == nil {
			open = append(open, run)
		}
	}
	if len(open) == 0 && len(x.runs) > 0 {
		return x.runs[:1]
	}
	return open
}

// runView is an import with its streams.
func runView(x importState, t store.Tenant) templates.RunView {
	v := templates.RunView{
		Title: importTitle(x.run), Href: importHref(x.run.ID), Kind: importKind(x.run.Status), Status: x.run.Status,
		Open: x.open(), Line: x.line(),
	}
	for _, act := range x.acts(t) {
		if act.Confirm != "" && !act.Danger {
			continue // the head of the page has it
		}
		act.Of = "the import"
		if act.Confirm == "" {
			act.Hidden = map[string]string{"back": "tenant"}
		}
		v.Acts = append(v.Acts, act)
	}
	for _, st := range x.run.Streams {
		v.Streams = append(v.Streams, x.streamLine(st))
	}
	if kind, words := x.why(); words != "" {
		v.Why = &templates.Notice{Kind: kind, Text: words}
	}
	return v
}

// timelineItem puts what happened to the tenant at path into words, with where it
// leads.
func timelineItem(h store.Happening, path string, at func(time.Time) templates.Moment) templates.TimelineItem {
	v := templates.TimelineItem{Time: at(h.At), Title: h.Name, Detail: h.Detail}
	took := ""
	if h.Until != nil {
		took = templates.Duration(h.At.Sub(*h.Until).Abs())
	}
	if h.Link != nil {
		switch h.Over {
		case "event":
			v.Href = eventsPath + "/" + h.Link.String()
		case "import":
			v.Href = importHref(*h.Link)
		}
	}
	switch h.Kind {
	case store.HappenedEvent:
		v.Kind = "event"
		v.Status = eventKind(store.Event{Status: h.Status})
		v.Detail = eventWords(h, took)
	case store.HappenedRun:
		v.Kind = "import"
		if h.Status == "began" {
			v.Status, v.Title, v.Detail = templates.Run, importName(h.Name)+" began", strings.ReplaceAll(h.Detail, "_", " ")
		} else {
			v.Status, v.Title = importKind(h.Status), importName(h.Name)+" "+h.Status
			v.Detail = joined("took "+took, h.Detail)
		}
	case store.HappenedStep:
		v.Kind, v.Title, v.Href = "step", h.Name+" "+h.Status, path+"#steps"
		v.Status = stepView(store.Step{Status: h.Status}, h.At).Kind
		v.Detail = untilTime.ReplaceAllString(h.Detail, "") // the ladder has it, as a time
		if h.Status == string(tenant.StepDone) && took != "" {
			v.Detail = "took " + took
		}
	case store.HappenedPage:
		v.Kind, v.Status, v.Title = "task", templates.Well, "import:page "+resourceWords(h.Name)
	case store.HappenedTry:
		v.Kind, v.Status, v.Title = "task", tryKind(h.Status), h.Name+" "+tryWords(h.Status)
	case store.HappenedHealed:
		v.Kind, v.Status, v.Title = "task", templates.Wait, h.Name+" put back"
	case store.HappenedGrant:
		v.Kind, v.Status, v.Title, v.Href = "grant", templates.Well, grantWords(h.Name), path+"/connection"
		switch h.Name {
		case "unknown":
			v.Status = templates.Wait
		case "parked":
			v.Status = templates.Broken
		case "revoked":
			v.Status = templates.Off
		}
	case store.HappenedAct:
		v.Kind, v.Title = "person", h.Who
		v.Detail = joined(actWords(h.Name), h.Detail)
		if v.Href != "" {
			v.Link = "see"
		} else {
			v.Href = auditHref(h.ID)
		}
	case store.HappenedNote:
		v.Kind, v.Title, v.Href = "note", h.Who, path+"/notes"
		if h.Status == "removed" {
			v.Detail = "a note that was removed"
		}
	}
	return v
}

// tryKind and tryWords say what became of an attempt at work.
func tryKind(outcome string) string {
	switch outcome {
	case store.TryDone:
		return templates.Well
	case store.TryGivenUp:
		return templates.Broken
	}
	return templates.Wait
}

func tryWords(outcome string) string {
	switch outcome {
	case store.TryDone:
		return "got through"
	case store.TryGivenUp:
		return "was given up"
	}
	return "failed"
}

func eventWords(h store.Happening, took string) string {
	switch {
	case h.Status == store.EventApplied:
		return "applied in " + took
	case h.Status == store.EventWaiting:
		wait := h.Detail
		return eventReason(store.Event{Status: h.Status, WaitingFor: &wait}, nil)
	case h.Detail != "":
		return h.Status + ": " + h.Detail
	}
	return h.Status
}

func grantWords(what string) string {
	switch what {
	case "granted":
		return "access granted for the first time"
	case "refreshed":
		return "grant refreshed"
	case "revoked":
		return "app uninstalled: grant revoked"
	case "unknown":
		return "a refresh had no answer"
	case "parked":
		return "grant no longer accepted: needs the merchant"
	}
	return what
}

func actWords(act string) string {
	switch act {
	case "tenant.create":
		return "registered the store"
	case "tenant.retry":
		return "retried setting it up"
	case "tenant.import":
		return "asked for an import"
	case "tenant.suspend":
		return "suspended the store"
	case "tenant.resume":
		return "resumed the store"
	case "import.pause":
		return "paused the import"
	case "import.resume":
		return "resumed the import"
	case "import.cancel":
		return "cancelled the import"
	case "import.retry":
		return "retried what an import gave up"
	case "rejects.redrive":
		return "re-drove rejects"
	case "event.replay":
		return "replayed an event"
	case "task.retry":
		return "retried failed work"
	case "note.remove":
		return "removed a note"
	}
	return act
}

// joined puts parts into one line; what is empty is left out.
func joined(parts ...string) string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, " · ")
}

// databaseFacts says where a tenant's database is.
func databaseFacts(t store.Tenant) []templates.Fact {
	facts := []templates.Fact{
		{Label: "Server", Value: text(t.DatabaseServer), Mono: true},
		{Label: "Database", Value: text(t.DatabaseName), Mono: true, Copy: true},
		{Label: "Role", Value: text(t.DatabaseRole), Mono: true},
	}
	if t.ModelVersion != nil {
		facts = append(facts, templates.Fact{Label: "Model version", Value: fmt.Sprint(*t.ModelVersion)})
	}
	return facts
}
