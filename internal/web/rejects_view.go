package web

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// rejectsMany is how many rejects are counted before it is only said that there
// are more.
const rejectsMany = 10_000

func rejectNumber(n int) string {
	if n > rejectsMany {
		return "more than " + templates.Count(rejectsMany)
	}
	return templates.Count(n)
}

func rejects(n int) string {
	if n == 1 {
		return "1 reject"
	}
	return rejectNumber(n) + " rejects"
}

func resourceWords(resource string) string { return strings.ReplaceAll(resource, "_", " ") }

// fieldWords is a field as lists show it.
func fieldWords(field string) string {
	if field == "" || field == tenantdb.NoField {
		return "–"
	}
	return field
}

// rejectFilters are the resources that a list may be narrowed to, and how many
// rejects each has.
func rejectFilters(path string, filters url.Values, counts map[string]int) []templates.Chip {
	total := 0
	list := []chip{{label: "open"}}
	for _, resource := range tenant.Resources() {
		total += counts[resource]
		if n := counts[resource]; n > 0 || filters.Get("resource") == resource {
			list = append(list, chip{value: resource, label: resourceWords(resource), count: many(n, rejectsMany)})
		}
	}
	list[0].count = many(total, rejectsMany)
	scope := url.Values{"run": filters["run"], "resource": filters["resource"]} // another resource has other fields and reasons
	shown := chips(path, scope, "resource", list)
	all := filters.Get("state") == "all"
	shown[0].On = shown[0].On && !all
	return append(shown, templates.Chip{Label: "with those settled since", Href: listHref(path, filters, "state", "all"), On: all})
}

// rejectScope shows what narrows a list of rejects beside the resource.
func rejectScope(path string, filters url.Values) []templates.Chip {
	var list []templates.Chip
	add := func(name, label string) {
		if filters.Get(name) != "" {
			list = append(list, templates.Chip{Label: label + " ✕", Href: listHref(path, filters, name, ""), On: true})
		}
	}
	add("run", "one import")
	if field := filters.Get("field"); field == tenantdb.NoField {
		add("field", "no field")
	} else {
		add("field", field)
	}
	add("reason", "one reason")
	return list
}

func rejectGroups(path string, filters url.Values, found []tenantdb.RejectGroup, at func(time.Time) templates.Moment) []templates.RejectGroup {
	groups := make([]templates.RejectGroup, len(found))
	for i, g := range found {
		of := url.Values{
			"run": filters["run"], "state": filters["state"], "resource": {g.Resource}, "field": {g.Field}, "reason": {cut(g.Reason)},
		}
		if g.Field == "" {
			of.Set("field", tenantdb.NoField)
		}
		groups[i] = templates.RejectGroup{
			Href: listHref(path, of, "", ""), Resource: resourceWords(g.Resource), Field: fieldWords(g.Field),
			Reason: g.Reason, Count: templates.Count(g.Count), Newest: at(g.Newest),
		}
		if filters.Get("state") == "" {
			groups[i].Redrive = templates.ActView{
				Action: path + "/redrive", Label: "Re-drive", Confirm: "yes", Hidden: hiddenBut(of, ""),
				Of: resourceWords(g.Resource) + " " + fieldWords(g.Field),
			}
		}
	}
	return groups
}

// cut keeps a reason to what an address takes. None of ours is that long.
func cut(reason string) string {
	if len(reason) > reasonMost {
		return strings.ToValidUTF8(reason[:reasonMost], "")
	}
	return reason
}

func rejectRow(reject tenantdb.StoredReject, path string, at func(time.Time) templates.Moment) templates.RejectRow {
	row := templates.RejectRow{
		Href: path + "/" + reject.ID.String(), Resource: resourceWords(reject.Resource),
		Key: text(reject.SourceID), Field: fieldWords(text(reject.Field)), Reason: reject.Reason,
		Kind: templates.Wait, Status: "open", At: at(reject.CreatedAt),
	}
	if row.Key == "" {
		row.Key = "without id"
	}
	if reject.RedrivenAt != nil {
		row.Kind, row.Status = templates.Well, "settled"
	}
	return row
}

// redriveOne is the button that re-drives one reject; nil where it is settled.
func redriveOne(reject tenantdb.StoredReject, path, back, label string) *templates.ActView {
	if reject.RedrivenAt != nil {
		return nil
	}
	return &templates.ActView{
		Action: path + "/redrive", Label: label, Of: text(reject.SourceID),
		Hidden: map[string]string{"id": reject.ID.String(), "back": back},
	}
}

// fillReject puts a record that could not be stored into its page.
func fillReject(v *templates.RejectView, reject tenantdb.StoredReject, at func(time.Time) templates.Moment) {
	row := rejectRow(reject, "", at)
	v.Title, v.Reason = "Rejected: "+row.Resource+" "+row.Key, reject.Reason
	v.Facts = []templates.Fact{
		{Label: "Field", Value: text(reject.Field), Mono: true},
		{Label: "When", Time: &row.At},
		{Label: "State", Kind: row.Kind, Value: row.Status},
	}
	if reject.RedrivenAt != nil {
		m := at(*reject.RedrivenAt)
		v.Facts[2].Note, v.Facts[2].Time = "stored since, overtaken by what is stored, or gone at Salla", &m
	}
	if reject.Run == uuid.Nil {
		v.Facts = append(v.Facts, templates.Fact{Label: "Came with", Value: "an event or a single read"})
	} else {
		v.Facts = append(v.Facts, templates.Fact{Label: "Came with", Value: "an import", Href: importHref(reject.Run)})
	}
	v.Todo = rejectTodo(reject)
	v.Record = templates.PayloadView{Title: "The record as it came", Text: reject.Record, JSON: json.Valid([]byte(reject.Record))}
	if reject.Record == "" {
		v.Record.Text = "No longer kept."
	}
	v.Mark = lastKey(text(reject.Field))
}

// rejectTodo says what becomes of a reject, and what to do.
func rejectTodo(reject tenantdb.StoredReject) []string {
	switch {
	case reject.RedrivenAt != nil:
		return []string{"Nothing is to be done. The record is no longer kept here."}
	case strings.TrimSpace(reject.Record) == "null":
		return []string{
			"Salla's answer could not be read, so there is no record yet: to re-drive it is to read it again.",
		}
	case reject.SourceID == nil:
		return []string{
			"Without an id the record cannot be asked for again. It is kept whole. Should a newer version of Wosool understand it, re-drive it then; " +
				"mended in Salla it comes with the next import, and this reject stays for you to know.",
		}
	}
	return []string{
		"It is kept whole and not lost. Mended in Salla, its next event or the next import stores it by itself and settles this.",
		"Re-drive it now after a fix, there or in Wosool: what is kept is mapped anew, nothing newer is overwritten, and the record is read again at Salla.",
	}
}

// lastKey is the key that a path ends with: quantity of items[3].quantity.
func lastKey(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		path = path[i+1:]
	}
	key, _, _ := strings.Cut(path, "[")
	return key
}

// redriveWords says what re-driving came to.
func redriveWords(done imports.Redriven) templates.Notice {
	n := templates.Notice{Kind: templates.Well}
	if done.Tried == 0 {
		n.Kind, n.Text = templates.Off, "Nothing was left to re-drive: it is settled."
		return n
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{done.Stored, "stored now"},
		{done.Unchanged, "stored as it is already"},
		{done.Overtaken, "overtaken by what is stored"},
		{done.Rejected(), "still rejected"},
	} {
		if p.n > 0 {
			parts = append(parts, templates.Count(p.n)+" "+p.what)
		}
	}
	n.Text = rejects(done.Tried) + " re-driven: " + strings.Join(parts, ", ") + "."
	if done.Rejected() > 0 {
		n.Kind = templates.Wait
		if done.Tried == 1 {
			n.Text = "Still rejected: " + closed(cut(done.Still[0].Reason))
		}
	}
	if done.Asked > 0 {
		n.Text += " " + templates.Plural(done.Asked, "record is", "records are") + " read again at Salla: what that stores is settled by itself."
	}
	if done.Left > 0 {
		n.Kind = templates.Wait
		n.Text += " Left: " + rejectNumber(done.Left) + "."
	}
	return n
}
