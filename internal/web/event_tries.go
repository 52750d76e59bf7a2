package web

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// tried are the attempts at an event, newest first: those that are kept, and the one
// that got through at once, which leaves no other trace than the event's own.
func (v wholeEvent) tried(at func(time.Time) templates.Moment) []templates.TryView {
	var list []templates.TryView
	if e := v.event; e.AppliedAt != nil && (len(v.tries) == 0 || v.tries[0].Outcome != store.TryDone) {
		list = append(list, templates.TryView{Attempt: templates.Count(e.Attempts + 1), Kind: templates.Well, Outcome: "got through", At: at(*e.AppliedAt)})
	}
	for _, t := range v.tries {
		list = append(list, templates.TryView{
			Attempt: templates.Count(t.Attempt), Kind: tryKind(t.Outcome), Outcome: tryWords(t.Outcome),
			At: at(t.At), Error: t.Error, Worker: workerName(t.Process),
		})
	}
	return list
}

// workerName is who a process is, by what it calls itself at PostgreSQL: its host and
// process id, or what kind of process it is where it says no more.
func workerName(process string) string {
	name, found := strings.CutPrefix(process, "wosool-worker ")
	if !found {
		return strings.TrimPrefix(process, "wosool-")
	}
	return name
}

// changedRecord leads to the record that an event is about; nil where it is about
// none, or its store has no database.
func (s *Server) changedRecord(v wholeEvent, p store.Payload) *templates.Fact {
	if v.tenant == nil || p.JSON == nil {
		return nil
	}
	var envelope struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(p.JSON, &envelope) != nil {
		return nil // it is of another form
	}
	resource, id := imports.Entity(v.event.Event, envelope.Data)
	for _, table := range tenantdb.Browsables() {
		if resource == "" || table.Resource != resource {
			continue
		}
		f := &templates.Fact{
			Label: "Record", Value: strings.TrimSuffix(resource, "s") + " " + id,
			Href: tenantHref(v.tenant.ID) + "/data/" + table.Name + "/" + url.PathEscape(id),
		}
		if v.event.Status != store.EventApplied {
			f.Note = "not changed by this event yet"
		}
		return f
	}
	return nil
}
