package sandbox

import (
	"encoding/base64"
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
	path    string
	cursor  bool   // `next` instead of totals
	noLinks string // how empty links are written: {} or []
}

func pageOf(q url.Values) (number, size int) {
	number, size = 1, perPageDefault
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 && n < pageMost {
		number = n
	} else if n := cursorPage(q.Get("cursor")); n > 0 {
		number = n
	}
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && n > 0 {
		size = min(n, perPageMost)
	}
	return number, size
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
	number, size := pageOf(c.r.URL.Query())
	from := min(len(all), (number-1)*size)
	some := all[from:min(len(all), from+size)]

	out := writer{b: make([]byte, 0, 512+len(some)*3<<10)}
	out.obj("")
	out.int("status", http.StatusOK)
	out.bool("success", true)
	out.arr("data")
	for _, v := range some {
		render(&out, v)
	}
	out.endArr()
	out.obj("pagination")
	out.int("count", int64(len(some)))
	if l.cursor {
		l.cursorPage(&out, number, size, from+len(some) < len(all))
	} else {
		l.numberedPage(&out, number, size, len(all))
	}
	out.endObj()
	out.endObj()
	c.out = out.b
}

// numberedPage writes the classic object. Its links are http, drop per_page,
// and leave a neighbour out that is not there.
func (l listing) numberedPage(out *writer, number, size, total int) {
	pages := max(1, (total+size-1)/size)
	out.int("total", int64(total))
	out.int("perPage", int64(size))
	out.int("currentPage", int64(number))
	out.int("totalPages", int64(pages))
	previous, next := number > 1, number < pages
	if !previous && !next {
		out.raw("links", l.noLinks)
		return
	}
	out.obj("links")
	if previous {
		l.link(out, "previous", number-1)
	}
	if next {
		l.link(out, "next", number+1)
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
	if number > 1 {
		out.str("previous", cursorOf(number-1))
	} else {
		out.null("previous")
	}
	if more {
		out.str("next", cursorOf(number+1))
	} else {
		out.null("next")
	}
}
