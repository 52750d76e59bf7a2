package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// dataPage lists the records of one table of a tenant.
func (s *Server) dataPage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	name, err := queryOneOf(r, "table", browsableNames()...)
	if err != nil {
		return err
	}
	if name == "" {
		name = browsableNames()[0]
	}
	table, err := tenantdb.BrowsableNamed(name)
	if err != nil {
		return err
	}
	f := tenantdb.BrowseFilter{Limit: pageSize}
	if f.Q, err = queryText(r, "q"); err != nil {
		return err
	}
	if f.After, err = readPlace(r, "cursor"); err != nil {
		return err
	}
	if f.Before, err = readPlace(r, "newer"); err != nil {
		return err
	}
	at, path := moments(r), tenantHref(x.tenant.ID)+"/data"
	filters := url.Values{"table": {name}, "q": {f.Q}}
	v := templates.DataView{
		Head: x.head("data", at),
		Search: templates.SearchBox{
			Action: path, Query: f.Q, Placeholder: searchWords(name), Hidden: map[string]string{"table": name},
		},
	}
	for _, other := range browsableNames() {
		v.Tables = append(v.Tables, templates.Chip{
			Label: other, Href: listHref(path, nil, "table", other), On: other == name,
		})
	}
	var rows []tenantdb.BrowseRow
	var more bool
	err = s.lookInto(r.Context(), x.tenant, func(ctx context.Context, db *tenantdb.DB) error {
		rows, more, err = db.Browse(ctx, table, f)
		return err
	})
	if v.Notice, err = shut(err); err != nil {
		return err
	}
	if f.Before != nil && !more && v.Notice == nil {
		http.Redirect(w, r, listHref(path, filters, "", ""), http.StatusSeeOther)
		return nil
	}
	fillData(&v, table, rows, path, at)
	if n := len(rows); n > 0 {
		if f.After != nil || f.Before != nil {
			v.Pager.Newer = listHref(path, filters, "newer", placeText(rows[0].Place))
		}
		if more || f.Before != nil {
			v.Pager.Older = listHref(path, filters, "cursor", placeText(rows[n-1].Place))
		}
	} else {
		v.Empty = dataEmpty(x, f.Q, name, path)
	}
	return s.render(w, r, http.StatusOK, templates.Data(s.frame(r, x.tenant.Name+": "+name, "tenants"), v))
}

func browsableNames() []string {
	var list []string
	for _, b := range tenantdb.Browsables() {
		list = append(list, b.Name)
	}
	return list
}

func searchWords(table string) string {
	switch table {
	case "people":
		return "Name, e-mail, phone or id"
	case "products":
		return "Name, SKU or id"
	case "orders":
		return "Number, name, e-mail or phone"
	}
	return "Name, e-mail, phone or id"
}

// fillData puts records into the list.
func fillData(v *templates.DataView, table tenantdb.Browsable, rows []tenantdb.BrowseRow, path string, at func(time.Time) templates.Moment) {
	for _, c := range table.Columns {
		v.Columns = append(v.Columns, templates.DataColumn{Name: c.Name, Num: numeric(c.Kind)})
	}
	for _, row := range rows {
		line := templates.DataRow{Href: path + "/" + table.Name + "/" + url.PathEscape(row.Key)}
		for i, c := range table.Columns {
			line.Cells = append(line.Cells, dataCell(c, row.Cells[i], at))
		}
		if line.Cells[0].Text == "" {
			line.Cells[0].Text = "#" + row.Key
		}
		v.Rows = append(v.Rows, line)
	}
}

func numeric(kind string) bool { return kind == tenantdb.ColumnNumber || kind == tenantdb.ColumnMoney }

func dataCell(c tenantdb.BrowseColumn, value string, at func(time.Time) templates.Moment) templates.DataCell {
	cell := templates.DataCell{Label: c.Name, Text: value, Num: numeric(c.Kind)}
	switch c.Kind {
	case tenantdb.ColumnNumber, tenantdb.ColumnMoney:
		cell.Text = thousands(value)
	case tenantdb.ColumnStatus:
		cell.Text = strings.ToLower(strings.ReplaceAll(value, "_", " "))
	case tenantdb.ColumnTime:
		var m templates.Moment
		if t, err := time.Parse(time.RFC3339, value); err == nil {
			m = at(t)
		}
		cell.Time = &m
	}
	return cell
}

// thousands puts separators into the whole part of a number: 1,234.50 SAR.
func thousands(value string) string {
	digits, rest := value, ""
	if i := strings.IndexAny(value, ". "); i >= 0 {
		digits, rest = value[:i], value[i:]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return value
	}
	return templates.Count(n) + rest
}

func dataEmpty(x whole, q, name, path string) *templates.EmptyView {
	if q != "" {
		return &templates.EmptyView{
			Title: "Nothing of " + name + " matches",
			Text:  "A whole id, e-mail or phone is found at once; of names any part is looked for.",
			Href:  listHref(path, nil, "table", name), Link: "Leave the search",
		}
	}
	if len(x.runs) > 0 && x.runs[0].FinishedAt == nil {
		return &templates.EmptyView{
			Title: "No " + name + " yet", Text: "The history is being imported.", Href: tenantHref(x.tenant.ID), Link: "See how far it is",
		}
	}
	return &templates.EmptyView{Title: "No " + name, Text: "The store has none, or its history was not imported."}
}

// readPlace reads a cursor of a list of records; nil where it is not given.
func readPlace(r *http.Request, name string) (*tenantdb.BrowsePlace, error) {
	value := r.URL.Query().Get(name)
	if value == "" {
		return nil, nil
	}
	micros, id, ok := strings.Cut(value, "~")
	n, err := strconv.ParseInt(micros, 36, 64)
	parsed, idErr := uuid.Parse(id)
	if !ok || err != nil || idErr != nil || n < -1<<52 || n > 1<<55 {
		return nil, malformed(name, "the cursor is not one that a list gave")
	}
	return &tenantdb.BrowsePlace{At: time.UnixMicro(n).UTC(), ID: parsed}, nil
}

func placeText(p tenantdb.BrowsePlace) string {
	return strconv.FormatInt(p.At.UnixMicro(), 36) + "~" + p.ID.String()
}

// recordRejects is how many rejects of one record its page shows.
const recordRejects = 10

// recordPage shows one record beside the documents it came from.
func (s *Server) recordPage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	table, err := tenantdb.BrowsableNamed(chi.URLParam(r, "table"))
	if err != nil {
		return err
	}
	key, err := url.PathUnescape(chi.URLParam(r, "key"))
	if err != nil {
		return malformed("key", "the address can't be read")
	}
	at, path := moments(r), tenantHref(x.tenant.ID)+"/data"
	v := templates.RecordView{
		Head: x.head("data", at), Back: listHref(path, nil, "table", table.Name), BackLabel: "← all " + table.Name,
	}
	var record tenantdb.BrowsedRecord
	var refused []tenantdb.StoredReject
	err = s.lookInto(r.Context(), x.tenant, func(ctx context.Context, db *tenantdb.DB) error {
		if record, err = db.BrowseRecord(ctx, table, key); err != nil {
			return err
		}
		refused, err = db.Rejects(ctx, tenantdb.RejectFilter{Resource: table.Resource, SourceID: key, Open: true, Limit: recordRejects})
		return err
	})
	if v.Notice, err = shut(err); err != nil {
		return err
	}
	if v.Notice == nil {
		if err := fillRecord(&v, table, key, record, at); err != nil {
			return err
		}
		rejectsAt := tenantHref(x.tenant.ID) + "/rejects"
		for _, reject := range refused {
			row := rejectRow(reject, rejectsAt, at)
			row.Redrive = redriveOne(reject, rejectsAt, path+"/"+table.Name+"/"+url.PathEscape(key), "Re-drive")
			v.Rejects = append(v.Rejects, row)
		}
	}
	return s.render(w, r, http.StatusOK, templates.Record(s.frame(r, x.tenant.Name+": "+table.Name+" "+key, "tenants"), v))
}
