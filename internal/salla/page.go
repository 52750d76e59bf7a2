package salla

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/rawjson"
)

// Resource is a list that is imported.
type Resource string

// The lists that are imported.
const (
	Customers Resource = "customers"
	Products  Resource = "products"
	Orders    Resource = "orders"
	Carts     Resource = "carts" // abandoned carts
)

// MaxPerPage is the most that Salla gives a page.
const MaxPerPage = 60

// defaultPerPage is what Salla gives a page if it is not asked.
const defaultPerPage = 15

// lists has the path of every Resource and the names it gives to the dates that
// bound the creation date; orders and customers differ, the others have none.
var lists = map[Resource]struct{ path, from, to, sort string }{
	Customers: {path: "/customers", from: "date_from", to: "date_to"},
	Products:  {path: "/products"},
	Orders:    {path: "/orders", from: "from_date", to: "to_date", sort: "sort_by"},
	Carts:     {path: "/carts/abandoned"},
}

// PageQuery says which page is wanted.
type PageQuery struct {
	Number  int    // from 1; 0 is the first
	Cursor  string // NextCursor of the page before, where that had one; Number may be given as well
	PerPage int    // 0: Salla's default; at most MaxPerPage

	SortBy   string // only Orders: id, total, updated_at or created_at with -asc or -desc
	From, To string // created from and to, yyyy-mm-dd; only Orders and Customers
}

// Page is one page of a list.
type Page struct {
	Records []json.RawMessage // valid JSON each

	Number, PerPage   int  // as announced, else as asked
	Total, TotalPages *int // as announced; nil if not

	// HasNext tells whether another page follows. It is asked for by Number+1, or,
	// where NextCursor is not empty, by that: then no page can be read ahead.
	HasNext    bool
	NextCursor string

	RequestedAt time.Time // the instant just before the request was sent
}

// Page reads one page of a list. A filter or an order that the list does not have
// is fault.Invalid. Links in the answer are never followed: they are http and
// would carry the token; what they say is put into a query of our own.
func (c *Client) Page(ctx context.Context, r Resource, q PageQuery) (Page, error) {
	list, ok := lists[r]
	if !ok {
		return Page{}, fault.New(fault.Invalid, "salla: there is no list %q", r)
	}
	query := url.Values{}
	for _, filter := range []struct{ name, value, what string }{
		{list.from, q.From, "filtered by date"},
		{list.to, q.To, "filtered by date"},
		{list.sort, q.SortBy, "sorted"},
	} {
		switch {
		case filter.value == "":
		case filter.name == "":
			return Page{}, fault.New(fault.Invalid, "salla: %s cannot be %s", r, filter.what)
		default:
			query.Set(filter.name, filter.value)
		}
	}
	page, _, err := c.page(ctx, list.path, query, q)
	return page, err
}

// page reads one page of any list. paged tells whether the answer had pagination.
func (c *Client) page(ctx context.Context, path string, filters url.Values, q PageQuery) (_ Page, paged bool, _ error) {
	query, err := q.values(filters)
	if err != nil {
		return Page{}, false, fmt.Errorf("salla: GET %s: %w", path, err)
	}
	reply, err := c.get(ctx, path, query)
	if err != nil {
		return Page{}, false, err
	}
	page := Page{RequestedAt: reply.requestedAt}
	if page.Records = rawjson.Elements(reply.Data); page.Records == nil {
		return Page{}, false, fmt.Errorf("salla: GET %s: data is not a list", path)
	}
	paged = page.place(reply.envelope, q)
	if page.NextCursor != "" && page.NextCursor == q.Cursor {
		return Page{}, false, fmt.Errorf("salla: GET %s: the next page is the one just read", path)
	}
	return page, paged, nil
}

// values gives the whole query of a page. A cursor has the form of a query, and
// wins over Number.
func (q PageQuery) values(filters url.Values) (url.Values, error) {
	if q.PerPage < 0 || q.PerPage > MaxPerPage || q.Number < 0 {
		return nil, fault.New(fault.Invalid, "there is no page %d of %d records", q.Number, q.PerPage)
	}
	out := url.Values{}
	if q.Number > 0 || q.Cursor == "" {
		out.Set("page", strconv.Itoa(max(q.Number, 1)))
	}
	cursor, err := url.ParseQuery(q.Cursor)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the cursor cannot be read")
	}
	for name, values := range cursor {
		out[name] = values
	}
	for name, values := range filters {
		out[name] = values
	}
	if q.PerPage > 0 {
		out.Set("per_page", strconv.Itoa(q.PerPage))
	}
	return out, nil
}

// pagination is what an answer says about its place in the list.
type pagination struct {
	Total       integer         `json:"total"`
	PerPage     integer         `json:"perPage"`
	CurrentPage integer         `json:"currentPage"`
	TotalPages  integer         `json:"totalPages"`
	Next        json.RawMessage `json:"next"`
	NextCursor  json.RawMessage `json:"next_cursor"`
	Cursor      json.RawMessage `json:"cursor"`
	Links       json.RawMessage `json:"links"`
}

// place fills in where the page stands and what follows it. Two styles exist:
// numbered pages with a total, and lists that only name what is next.
func (p *Page) place(env envelope, q PageQuery) (paged bool) {
	var said pagination
	paged = !blank(env.Pagination) && json.Unmarshal(env.Pagination, &said) == nil
	p.Total, p.TotalPages = said.Total.count(), said.TotalPages.count()
	p.Number, p.PerPage = q.Number, q.PerPage
	if n := said.CurrentPage.count(); n != nil && *n > 0 {
		p.Number = *n
	} else if p.Number == 0 && q.Cursor == "" {
		p.Number = 1
	}
	if n := said.PerPage.count(); n != nil && *n > 0 {
		p.PerPage = *n
	} else if p.PerPage == 0 {
		p.PerPage = defaultPerPage
	}

	nexts := []json.RawMessage{
		said.Next, said.NextCursor, member(said.Cursor, "next"), member(said.Links, "next"), member(env.Cursor, "next"),
	}
	next := cursor(max(p.Number, q.Number), nexts)
	switch {
	case len(p.Records) == 0: // whatever it says about more: there is nothing to go on from
	case p.TotalPages != nil && max(p.Number, q.Number) > 0:
		// The larger number ends the loop also where an answer calls every page the first.
		p.HasNext = max(p.Number, q.Number) < *p.TotalPages
	case next != "":
		p.HasNext, p.NextCursor = true, next
	case q.Cursor == "" && p.Total != nil:
		// Pages before may have been short, and this one too: unless all of it is on
		// the first page, the end is the page that has nothing.
		p.HasNext = max(p.Number, q.Number) > 1 || len(p.Records) < *p.Total
	case slices.ContainsFunc(nexts, func(raw json.RawMessage) bool { return raw != nil }):
		// A next that is there and null says that this is the last page.
	case q.Cursor == "":
		// Nothing is said: a page may be a short one in the middle. The end is the
		// page that has nothing; without pagination, the one that is not full.
		p.HasNext = paged || len(p.Records) >= p.PerPage
	}
	return paged
}

var digits = regexp.MustCompile(`^\d{1,9}$`)

// ours are the parameters that a next link repeats and that we set ourselves.
var ours = []string{"per_page", "perPage", "sort_by", "from_date", "to_date", "date_from", "date_to", "order_id", "format"}

// cursor gives, as a query, the first of the candidates that names a next page: a
// link, a page's number, an opaque text, or just true. The exact form is not
// documented, so each is understood; "" means that there is none.
func cursor(number int, candidates []json.RawMessage) string {
	for _, raw := range candidates {
		var t text
		if t.UnmarshalJSON(raw) != nil || len(t) > 4096 {
			continue
		}
		s := string(t)
		if s == "" || s == "false" || s == "null" || s == "0" {
			continue
		}
		following := url.Values{"page": {strconv.Itoa(number + 1)}}
		switch {
		case s == "true":
			return following.Encode()
		case digits.MatchString(s):
			return url.Values{"page": {s}}.Encode()
		case strings.Contains(s, "://"), strings.HasPrefix(s, "/"), strings.HasPrefix(s, "?"):
			link, err := url.Parse(s)
			if err != nil {
				continue
			}
			query := link.Query()
			for name := range query {
				if slices.Contains(ours, name) {
					delete(query, name)
				}
			}
			if len(query) == 0 {
				query = following
			}
			return query.Encode()
		}
		return url.Values{"cursor": {s}}.Encode()
	}
	return ""
}

// member gives a member of an object; nil of anything else.
func member(raw json.RawMessage, name string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return nil
	}
	return object[name]
}

func same(a, b json.RawMessage) bool { return bytes.Equal(a, b) }

var errEndless = errors.New("the list has no end")

// all reads every page of a short list, one after the other. The instant is that
// of the first request.
func (c *Client) all(ctx context.Context, path string, filters url.Values) ([]json.RawMessage, time.Time, error) {
	const most = 200
	var records, last []json.RawMessage
	var began time.Time
	q := PageQuery{Number: 1, PerPage: MaxPerPage}
	for range most {
		page, paged, err := c.page(ctx, path, filters, q)
		if err != nil {
			return nil, time.Time{}, err
		}
		if began.IsZero() {
			began = page.RequestedAt
		}
		told := page.TotalPages != nil || page.NextCursor != ""
		if !told && slices.EqualFunc(page.Records, last, same) { // page= is ignored
			return records, began, nil
		}
		records, last = append(records, page.Records...), page.Records
		// Without pagination the answer is the whole list, and page= would be ignored.
		if !paged || !page.HasNext {
			return records, began, nil
		}
		q.Number, q.Cursor = q.Number+1, page.NextCursor
	}
	return nil, time.Time{}, fmt.Errorf("salla: GET %s: %w", path, errEndless)
}
