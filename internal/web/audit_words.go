package web

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// auditWords says what an act was, as the end of a sentence that begins with who did
// it. What has no words is its name.
func auditWords(act string) string {
	if words := actWords(act); words != act {
		return words
	}
	words := map[string]string{
		"dead.retry": "retried failed work", "keyset.reseal": "sealed secrets anew", "keyset.drop": "dropped old keys",
		"queue.pause": "paused a lane", "queue.resume": "resumed a lane", "queue.delete": "deleted a lane",
		"task.run": "ran a task", "task.archive": "archived a task", "task.delete": "deleted a task", "task.cancel": "cancelled a task",
		"tasks.run": "ran tasks", "tasks.archive": "archived tasks", "tasks.delete": "deleted tasks", "tasks.cancel": "cancelled tasks",
		"operator.add": "added an operator", "operator.remove": "removed an operator", "operator.role": "changed a role",
		"operator.change_password": "changed their password", "operator.reset_password": "reset a password", "operator.reset_second_factor": "reset a second factor",
		"operator.sign_in": "signed in", "operator.sign_in_failed": "failed to sign in", "operator.sign_out": "signed out",
		"operator.sign_out_everywhere": "signed an operator out everywhere",
		"session.end":                  "ended a session", "session.end_others": "ended their other sessions", "session.revoke": "ended somebody's session",
		"operator.remove_passkeys": "removed an operator's passkeys",
		"passkey.add":              "made a passkey", "passkey.remove": "removed a passkey",
		"second_factor.on": "turned the second factor on", "second_factor.off": "turned the second factor off",
		"key.add": "made an API key", "key.revoke": "revoked an API key",
		"note.add": "wrote a note", "note.remove": "removed a note",
		"bulk.start": "started a bulk act", "bulk.pause": "paused a bulk act", "bulk.resume": "resumed a bulk act",
		"bulk.cancel": "cancelled a bulk act", "bulk.undo": "chose to undo a bulk act",
		"bulk.choose": "chose what a bulk act is for", "bulk.drop": "left a bulk act unstarted",
	}[act]
	if words == "" {
		return act
	}
	return words
}

// auditGroup is a filter of acts that belong together, by what their names begin with.
type auditGroup struct {
	name, label string
	of          []string
}

func auditGroups() []auditGroup {
	return []auditGroup{
		{"stores", "stores", []string{"tenant", "note"}},
		{"imports", "imports", []string{"import", "rejects"}},
		{"events", "events", []string{"event"}},
		{"work", "work", []string{"dead", "task", "tasks", "bulk"}},
		{"lanes", "lanes", []string{"queue"}},
		{"access", "access", []string{"operator", "session", "second_factor", "passkey", "key", "keyset"}},
	}
}

// groupOf names the group of an act: of one that belongs to none, its own first word.
func groupOf(act string) string {
	first, _, _ := strings.Cut(act, ".")
	for _, g := range auditGroups() {
		if slices.Contains(g.of, first) {
			return g.name
		}
	}
	return first
}

// actsOf are those of the acts that are in a group; never nil.
func actsOf(group string, acts []string) []string {
	list := []string{}
	for _, act := range acts {
		if groupOf(act) == group {
			list = append(list, act)
		}
	}
	return list
}

// auditChips are the groups that have an act.
func auditChips(acts []string) []chip {
	list := []chip{{label: "all"}}
	add := func(name, label string) {
		if !slices.ContainsFunc(list, func(c chip) bool { return c.value == name }) {
			list = append(list, chip{value: name, label: label})
		}
	}
	for _, g := range auditGroups() {
		if len(actsOf(g.name, acts)) > 0 {
			add(g.name, g.label)
		}
	}
	for _, act := range acts {
		name := groupOf(act)
		add(name, strings.ReplaceAll(name, "_", " "))
	}
	return list
}

// noted is what the details of an act say of what it was done to.
type noted struct {
	ID, Run, Bulk, Act, Event, Task, Of string
	Count, Stored, Tried                json.RawMessage
}

// notedIn reads the details of an act. Fields that are something else in this act are
// as if they were not there.
func notedIn(details json.RawMessage) noted {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(details, &fields) // ours, and always an object
	text := func(name string) string {
		var s string
		_ = json.Unmarshal(fields[name], &s)
		return s
	}
	return noted{
		ID: text("id"), Run: text("run"), Bulk: text("bulk"), Act: text("act"), Event: text("event"), Task: text("task"), Of: text("of"),
		Count: fields["count"], Stored: fields["stored"], Tried: fields["tried"],
	}
}

// count reads a count among the details.
func countIn(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

// auditOn says what an act was done to beside its store, and where that is.
func auditOn(e store.AuditEntry) (on, href string) {
	d := notedIn(e.Details)
	switch first, _, _ := strings.Cut(e.Act, "."); {
	case d.Run != "" && first == "import":
		return "import", hrefOf(importHref, d.Run)
	case first == "bulk":
		return strings.TrimSpace(d.Act + " " + d.Of), hrefOf(bulkHref, d.Bulk)
	case e.Act == "event.replay":
		on = d.Event
		if on == "" {
			on = "event"
		}
		return on, hrefOf(func(id uuid.UUID) string { return eventsPath + "/" + id.String() }, d.ID)
	case e.Act == "rejects.redrive" && e.TenantID != nil:
		on = "rejects"
		if n, ok := countIn(d.Tried); ok {
			on = templates.Plural(n, "reject", "rejects")
			if stored, ok := countIn(d.Stored); ok {
				on += ", " + templates.Count(stored) + " stored"
			}
		}
		return on, tenantHref(*e.TenantID) + "/rejects"
	case first == "queue":
		return e.Subject, lanesPath
	case e.Act == "dead.retry" || e.Act == "task.retry" || e.Act == "tenant.retry" && d.Of != "":
		on = e.Subject
		if n, ok := countIn(d.Count); ok {
			on = templates.Plural(n, "row of work", "rows of work") + " of " + strings.ReplaceAll(d.Of, "_", " ")
		} else if d.Task != "" {
			on = taskWords(d.Task)
		}
		return on, searchFor(d.Task, d.ID)
	case first == "note" && e.TenantID != nil:
		return "note", tenantHref(*e.TenantID) + "/notes"
	case first == "operator" || first == "session" || first == "second_factor" || first == "passkey":
		if e.Subject != "" {
			return e.Subject, auditPath + "?" + url.Values{"who": {e.Subject}}.Encode()
		}
	}
	return e.Subject, ""
}

// hrefOf is where something with an id is; "" where that is no id.
func hrefOf(where func(uuid.UUID) string, text string) string {
	id, err := uuid.Parse(text)
	if err != nil {
		return ""
	}
	return where(id)
}

// searchFor leads to the row of a task, or to all failed work.
func searchFor(task, id string) string {
	if _, err := uuid.Parse(id); err != nil || task == "" {
		return failedPath
	}
	return searchPath + "?" + url.Values{"q": {task + ":" + id}}.Encode()
}
