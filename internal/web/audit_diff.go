package web

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/wosool/wosool/templates"
)

// auditChanges puts what was before and after an act side by side, by key. An act
// that has neither changed nothing that has a value.
func auditChanges(details json.RawMessage) []templates.AuditChange {
	fields := objectIn(details)
	before, after := sideIn(fields["before"]), sideIn(fields["after"])
	if before == nil && after == nil {
		was, there := fields["was"]
		if !there {
			return nil
		}
		before = map[string]json.RawMessage{"status": was}
	}
	olds, news := map[string]string{}, map[string]string{}
	flatten("", before, olds)
	flatten("", after, news)
	keys := map[string]bool{}
	for key := range olds {
		keys[key] = true
	}
	for key := range news {
		keys[key] = true
	}
	list := make([]templates.AuditChange, 0, len(keys))
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		c := templates.AuditChange{Key: key, Before: olds[key], After: news[key]}
		// Where only one side was noted, nobody knows whether the value is another one.
		c.Changed = c.Before != c.After && (after != nil || before == nil)
		list = append(list, c)
	}
	return list
}

// auditRest is what else was noted of an act, one value each.
func auditRest(details json.RawMessage) []templates.Fact {
	fields := objectIn(details)
	for _, name := range []string{"before", "after", "was"} {
		delete(fields, name)
	}
	flat := map[string]string{}
	flatten("", fields, flat)
	var list []templates.Fact
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		if flat[key] != "" {
			list = append(list, templates.Fact{Label: key, Value: flat[key], Name: true})
		}
	}
	return list
}

// sideIn reads what was before or after an act. What is one value is a status.
func sideIn(raw json.RawMessage) map[string]json.RawMessage {
	if side := objectIn(raw); side != nil || raw == nil {
		return side
	}
	return map[string]json.RawMessage{"status": raw}
}

// objectIn reads an object; nil for what is none.
func objectIn(raw json.RawMessage) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	return fields
}

// flatten writes the values of an object by their path in it. What is null is "";
// lists are one value.
func flatten(path string, fields map[string]json.RawMessage, into map[string]string) {
	for name, raw := range fields {
		key := name
		if path != "" {
			key = path + "." + name
		}
		if inner := objectIn(raw); inner != nil {
			flatten(key, inner, into)
			continue
		}
		into[key] = plainValue(raw)
	}
}

// plainValue prints a value as people read it: texts without their quotes.
func plainValue(raw json.RawMessage) string {
	var text string
	switch {
	case bytes.Equal(raw, []byte("null")):
		return ""
	case json.Unmarshal(raw, &text) == nil:
		return text
	}
	var line bytes.Buffer
	if json.Compact(&line, raw) != nil {
		return string(raw)
	}
	return line.String()
}
