package web

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// pageSize is how many rows a list of the console shows.
const pageSize = 50

// keyset says which part of a list a page shows: it begins after a row, in one of
// two directions. Rows that come in meanwhile move nothing.
type keyset struct {
	Cursor uuid.UUID // zero: the first page
	Newer  bool      // what is just newer than the cursor, instead of older
}

// readKeyset reads the parameters cursor and newer.
func readKeyset(r *http.Request) (keyset, error) {
	q, k := r.URL.Query(), keyset{}
	text := q.Get("cursor")
	if newer := q.Get("newer"); newer != "" {
		text, k.Newer = newer, true
	}
	if text == "" {
		return k, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		k.Cursor, err = uuid.FromBytes(raw)
	}
	if err != nil {
		return keyset{}, malformed("cursor", "the cursor is not one that a list gave")
	}
	return k, nil
}

// first tells whether this is the first page of the list.
func (k keyset) first() bool { return k.Cursor == uuid.Nil }

// toTop tells whether a page that was asked for as newer is the first one, which has
// an address of its own.
func (k keyset) toTop(more bool) bool { return k.Newer && !more }

// ends are the ids that a page of a searched list reaches from and to: those of its
// first and its last row, or how far was searched where that is further.
func (k keyset) ends(rows []uuid.UUID, searchedTo uuid.UUID) (top, bottom uuid.UUID) {
	top, bottom = justBefore(k.Cursor), k.Cursor
	if n := len(rows); n > 0 {
		top, bottom = rows[0], rows[n-1]
	}
	switch {
	case searchedTo == uuid.Nil:
	case k.Newer:
		top = searchedTo
	default:
		bottom = searchedTo
	}
	return top, bottom
}

// justBefore is the id before id: what is newer than it has id in it.
func justBefore(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			break
		}
	}
	return id
}

// pager leads to the pages beside the one that shows rows from top to bottom. more
// tells whether there are others in the direction that was asked for.
func (k keyset) pager(path string, filters url.Values, top, bottom uuid.UUID, more bool) templates.Pager {
	var p templates.Pager
	if !k.first() {
		p.Newer = listHref(path, filters, "newer", cursorAfter(top))
	}
	if more || k.Newer {
		p.Older = listHref(path, filters, "cursor", cursorAfter(bottom))
	}
	return p
}

// listHref is the address of a list with its filters and one of them set; "" as
// its value leaves that one out.
func listHref(path string, filters url.Values, name, value string) string {
	q := url.Values{}
	for key, values := range filters {
		if len(values) > 0 && values[0] != "" {
			q.Set(key, values[0])
		}
	}
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// hiddenBut gives the filters as hidden fields, without one.
func hiddenBut(filters url.Values, name string) map[string]string {
	fields := map[string]string{}
	for key := range filters {
		if v := filters.Get(key); v != "" && key != name {
			fields[key] = v
		}
	}
	return fields
}

// chips are the values of one filter, the first of them "all".
func chips(path string, filters url.Values, name string, values []chip) []templates.Chip {
	list := make([]templates.Chip, len(values))
	for i, v := range values {
		list[i] = templates.Chip{
			Label: v.label, Count: v.count, Kind: v.kind, Href: listHref(path, filters, name, v.value),
			On: filters.Get(name) == v.value,
		}
	}
	return list
}

// chip is one value of a filter; "" is all.
type chip struct{ value, label, count, kind string }

// momentOf is a time that may not have come.
func momentOf(at func(time.Time) templates.Moment, t *time.Time) templates.Moment {
	if t == nil {
		return templates.Moment{}
	}
	return at(*t)
}

// tenantHref is the address of a tenant's page.
func tenantHref(id uuid.UUID) string { return "/admin/tenants/" + id.String() }

// storeOf is what a row says of its tenant.
func storeOf(labels map[uuid.UUID]store.TenantLabel, id *uuid.UUID) (name, href string) {
	if id == nil {
		return "", ""
	}
	l, ok := labels[*id]
	if !ok {
		return "", ""
	}
	return l.Name, tenantHref(l.ID)
}

// known drops what has no id, for one look-up of many.
func known(ids []*uuid.UUID) []uuid.UUID {
	var list []uuid.UUID
	for _, id := range ids {
		if id != nil {
			list = append(list, *id)
		}
	}
	return list
}
