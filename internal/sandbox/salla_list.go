package sandbox

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	perPageDefault = 15
	perPageMost    = 60
	pageMost       = 1 << 20 // beyond it a number is no page
)

// listing is one list endpoint's way of paging.
type listing struct {
	ListForm

	path    string
	noLinks string // how empty links are written: {} or []
	half    int    // of the records it began with: younger ones drift
}

func (l listing) pageOf(q url.Values) (number, size int) {
	number, size = 1, perPageDefault
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 && n < pageMost {
		number = n
	} else if n := cursorPage(q.Get("cursor")); n > 0 {
		number = n
	}
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && n > 0 {
		size = min(n, perPageMost)
	}
	return number, cmp.Or(l.Size, size)
}

// before is how many records the pages before one have.
func (l listing) before(number, size int) int {
	n := (number - 1) * size
	if l.Short > 0 {
		n -= (number - 1) / l.Short * min(2, size-1)
	}
	return n
}

// pages is how many pages a list has.
func (l listing) pages(size, total int) int {
	n := max(1, (total+size-1)/size)
	for l.before(n+1, size) < total {
		n++
	}
	return n
}

// viewName names what a query filters and sorts, whichever page it asks for.
func viewName(list string, q url.Values) string {
	q = maps.Clone(q)
	for _, other := range []string{"page", "per_page", "cursor", "format", "fields[]", "offset"} {
		delete(q, other)
	}
	return list + "?" + q.Encode()
}

// cursorOf and cursorPage hide a page's number in an opaque cursor.
func cursorOf(number int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("page:" + strconv.Itoa(number)))
}

func cursorPage(cursor string) int {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(string(b), "page:"))
	return n
}

// sendPage answers one page of all. The caller holds the store's lock, for all
// and what render reads.
func sendPage[T any](c *call, l listing, all []T, render func(*writer, T)) {
	number, size := l.pageOf(c.r.URL.Query())
	pages := l.pages(size, len(all))
	if number > pages {
		switch l.Beyond {
		case "repeat":
			number = pages
		case "missing":
			c.notFound()
			return
		}
	}
	from := min(len(all), l.before(number, size))
	some := all[from:min(len(all), l.before(number+1, size))]

	out := writer{b: make([]byte, 0, 512+len(some)*3<<10)}
	out.obj("")
	out.int("status", http.StatusOK)
	out.bool("success", true)
	out.arr("data")
	for _, v := range some {
		began := len(out.b)
		render(&out, v)
		if r, ok := any(v).(recorded); ok && l.Drift && r.meta().seq >= l.half {
			l.drift(&out, began)
		}
	}
	out.endArr()
	out.obj("pagination")
	out.int("count", int64(len(some)))
	if l.Cursor {
		l.cursorPage(&out, number, size, number < pages)
	} else {
		l.numberedPage(&out, number, size, len(all))
	}
	out.endObj()
	out.endObj()
	c.out = out.b
}

// drift rewrites the record that was written last.
func (listing) drift(out *writer, began int) {
	if out.b[began] == ',' {
		began++
	}
	if other, err := drifted(out.b[began:]); err == nil {
		out.b = append(out.b[:began], other...)
	}
}

// numberedPage writes the classic object. Its links are http, drop per_page,
// and leave a neighbour out that is not there.
func (l listing) numberedPage(out *writer, number, size, total int) {
	pages := l.pages(size, total)
	if !l.NoTotal {
		out.int("total", int64(total))
		out.int("perPage", int64(size))
	}
	out.int("currentPage", int64(number))
	if !l.NoTotal && !l.NoTotalPages {
		out.int("totalPages", int64(pages))
	}
	previous, next := number > 1, number < pages
	switch {
	case l.Links == "missing":
		return
	case l.Links == "object":
		out.raw("links", "{}")
		return
	case l.Links == "list":
		out.raw("links", "[]")
		return
	case !previous && !next && l.Links == "":
		out.raw("links", l.noLinks)
		return
	}
	out.obj("links")
	if previous {
		l.link(out, "previous", number-1)
	} else if l.Links == "null" {
		out.null("previous")
	}
	if next {
		l.link(out, "next", number+1)
	} else if l.Links == "null" {
		out.null("next")
	}
	out.endObj()
}

func (l listing) link(out *writer, name string, number int) {
	out.strs(name, "http://api.salla.dev/admin/v2", l.path, "?page=", strconv.Itoa(number))
}

// cursorPage writes the newer object, which knows no totals.
func (l listing) cursorPage(out *writer, number, size int, more bool) {
	out.int("perPage", int64(size))
	out.int("currentPage", int64(number))
	if l.Next == "object" {
		out.obj("cursor")
		defer out.endObj()
	}
	if number > 1 {
		l.neighbour(out, "previous", number-1)
	} else {
		out.null("previous")
	}
	if more {
		l.neighbour(out, "next", number+1)
	} else {
		out.null("next")
	}
}

func (l listing) neighbour(out *writer, name string, number int) {
	switch l.Next {
	case "link":
		out.strs(name, "http://api.salla.dev/admin/v2", l.path, "?cursor=", cursorOf(number))
	case "number":
		out.int(name, int64(number))
	case "true":
		out.bool(name, true)
	default:
		out.str(name, cursorOf(number))
	}
}
