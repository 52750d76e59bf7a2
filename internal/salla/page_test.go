package salla_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
)

func TestWhatFollowsAPage(t *testing.T) {
	t.Parallel()
	const fifteen = `1,2,3,4,5,6,7,8,9,10,11,12,13,14,15`
	for _, tc := range []struct {
		name       string
		query      salla.PageQuery
		data       string
		pagination string
		next       bool
		cursor     string
		total      int // -1: not announced
	}{
		{"middle of numbered pages", salla.PageQuery{Number: 3}, `1`, `{"total":90,"perPage":20,"currentPage":3,"totalPages":5,"links":{"next":"http://api.salla.dev/x?page=4"}}`, true, "", 90},
		{"last of numbered pages", salla.PageQuery{Number: 5}, `1`, `{"total":"90","currentPage":5,"totalPages":5,"links":[]}`, false, "", 90},
		{"numbers as text", salla.PageQuery{Number: 1}, `1`, `{"total":"90","currentPage":"1","totalPages":"2","links":{}}`, true, "", 90},
		{"every page calls itself the first", salla.PageQuery{Number: 5}, `1`, `{"total":90,"currentPage":1,"totalPages":5}`, false, "", 90},
		{"empty though more are said", salla.PageQuery{Number: 2}, ``, `{"total":90,"currentPage":2,"totalPages":5}`, false, "", 90},
		{"links as null", salla.PageQuery{}, `1`, `{"total":1,"currentPage":1,"totalPages":1,"links":null}`, false, "", 1},
		{"a next link only", salla.PageQuery{}, `1`, `{"count":1,"links":{"next":"http://api.salla.dev/admin/v2/customers?cursor=eyJpZCI6MX0%3D&per_page=15"}}`, true, "cursor=eyJpZCI6MX0%3D", -1},
		{"a next link with a page", salla.PageQuery{}, `1`, `{"next":"/admin/v2/customers?page=2&per_page=15"}`, true, "page=2", -1},
		{"a next link with neither", salla.PageQuery{Number: 4}, `1`, `{"next":"http://api.salla.dev/admin/v2/customers"}`, true, "page=5", -1},
		{"an opaque next", salla.PageQuery{}, `1`, `{"next":"a+b/c="}`, true, "cursor=a%2Bb%2Fc%3D", -1},
		{"a next number", salla.PageQuery{}, `1`, `{"next":2}`, true, "page=2", -1},
		{"a next that is just true", salla.PageQuery{Cursor: "page=2", Number: 2}, `1`, `{"next":true}`, true, "page=3", -1},
		{"a next cursor by another name", salla.PageQuery{}, `1`, `{"next_cursor":"abc"}`, true, "cursor=abc", -1},
		{"a next in a cursor object", salla.PageQuery{}, `1`, `{"cursor":{"next":"abc"}}`, true, "cursor=abc", -1},
		{"last by cursor", salla.PageQuery{Cursor: "cursor=abc"}, fifteen, `{"count":15,"next":null}`, false, "", -1},
		{"last by cursor, silent", salla.PageQuery{Cursor: "cursor=abc"}, fifteen, `{"count":15}`, false, "", -1},
		{"first and last by cursor", salla.PageQuery{}, fifteen, `{"links":{"next":null}}`, false, "", -1},
		{"empty by cursor", salla.PageQuery{Cursor: "cursor=abc"}, ``, `{"next":"abd"}`, false, "", -1},
		{"no pagination, full", salla.PageQuery{}, fifteen, `null`, true, "", -1},
		{"totals without pages, in the middle", salla.PageQuery{Number: 2, PerPage: 60}, fifteen, `{"total":90,"perPage":15,"currentPage":2}`, true, "", 90},
		{"totals without pages, the last", salla.PageQuery{Number: 3}, ``, `{"total":16,"perPage":15,"currentPage":3}`, false, "", 16},
		{"totals without pages, all on one", salla.PageQuery{Number: 1}, fifteen, `{"total":15,"perPage":15,"currentPage":1}`, false, "", 15},
		{"totals without pages, a full page after short ones", salla.PageQuery{Number: 2}, fifteen, `{"total":30,"perPage":15,"currentPage":2}`, true, "", 30},
		{"totals without pages, after many short ones", salla.PageQuery{Number: 9}, `1`, `{"total":30,"perPage":15,"currentPage":9}`, true, "", 30},
		{"totals without pages, a short page in the middle", salla.PageQuery{Number: 1, PerPage: 60}, fifteen, `{"total":90,"perPage":60,"currentPage":1,"links":[]}`, true, "", 90},
		{"totals and a size of its own that is not told", salla.PageQuery{Number: 4, PerPage: 60}, fifteen, `{"total":150}`, true, "", 150},
		{"totals against a next that is null", salla.PageQuery{Number: 1}, fifteen, `{"total":31,"perPage":15,"next":null}`, true, "", 31},
		{"links that are all null", salla.PageQuery{}, fifteen, `{"links":{"previous":null,"next":null}}`, false, "", -1},
		{"links that are a list, nothing else told", salla.PageQuery{PerPage: 60}, fifteen, `{"count":15,"links":[]}`, true, "", -1},
		{"a short page of which nothing is told", salla.PageQuery{Number: 2, PerPage: 60}, `1`, `{"count":1}`, true, "", -1},
		{"nothing told, and nothing there", salla.PageQuery{Number: 3, PerPage: 60}, ``, `{"count":0}`, false, "", -1},
		{"a next that is false", salla.PageQuery{}, fifteen, `{"next":false}`, false, "", -1},
		{"a next that is a list", salla.PageQuery{}, fifteen, `{"next":[]}`, false, "", -1},
		{"a next that is empty, with a link", salla.PageQuery{}, `1`, `{"next":"","links":{"next":"https://x/?page=2"}}`, true, "page=2", -1},
		{"beyond the end it is the last again", salla.PageQuery{Number: 9}, fifteen, `{"total":30,"currentPage":2,"totalPages":2}`, false, "", 30},
		{"no pagination, not full", salla.PageQuery{PerPage: 60}, fifteen, `[]`, false, "", -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, answer(fmt.Sprintf(`{"success":true,"data":[%s],"pagination":%s}`, tc.data, tc.pagination)))

			before := time.Now()
			got, err := c.Page(t.Context(), salla.Customers, tc.query)
			if err != nil {
				t.Fatal(err)
			}

			if got.HasNext != tc.next || got.NextCursor != tc.cursor {
				t.Errorf("got %v %q, want %v %q", got.HasNext, got.NextCursor, tc.next, tc.cursor)
			}
			if (got.Total == nil) != (tc.total < 0) || got.Total != nil && *got.Total != tc.total {
				t.Errorf("total: got %v, want %d", got.Total, tc.total)
			}
			if got.RequestedAt.Before(before.Add(-time.Millisecond)) || got.RequestedAt.After(time.Now()) {
				t.Errorf("requested at %v", got.RequestedAt)
			}
		})
	}
}

func TestPageErrors(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"data is an object":    `{"success":true,"data":{}}`,
		"data is null":         `{"success":true,"data":null}`,
		"no data":              `{"success":true}`,
		"data is cut":          `{"success":true,"data":[{"id":1},`,
		"data is text":         `{"success":true,"data":"[]"}`,
		"the same cursor over": `{"success":true,"data":[1],"pagination":{"next":"abc"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := serve(t, answer(body)).Page(t.Context(), salla.Carts, salla.PageQuery{Cursor: "cursor=abc"}); err == nil {
				t.Error("got nil, want an error")
			}
		})
	}

	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("called %s", r.URL) })
	for name, call := range map[string]func(*salla.Client) error{
		"unknown list":        page(t.Context(), "coupons", salla.PageQuery{}),
		"products by date":    page(t.Context(), salla.Products, salla.PageQuery{From: "2026-01-01"}),
		"carts sorted":        page(t.Context(), salla.Carts, salla.PageQuery{SortBy: "id-asc"}),
		"too many":            page(t.Context(), salla.Orders, salla.PageQuery{PerPage: 61}),
		"an unreadable place": page(t.Context(), salla.Orders, salla.PageQuery{Cursor: "%zz"}),
	} {
		if err := call(c); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
}

func TestACursorIsTakenUpWithItsFilters(t *testing.T) {
	t.Parallel()
	var got []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.RawQuery)
		_, _ = fmt.Fprintf(w, `{"data":[1],"pagination":{"next":"http://evil.example/?cursor=c%d&per_page=1&from_date=1970-01-01"}}`, len(got))
	})

	q := salla.PageQuery{PerPage: 60, SortBy: "updated_at-desc", From: "2026-01-01"}
	for range 2 {
		page, err := c.Page(t.Context(), salla.Orders, q)
		if err != nil {
			t.Fatal(err)
		}
		q.Cursor = page.NextCursor
	}

	want := []string{
		"from_date=2026-01-01&page=1&per_page=60&sort_by=updated_at-desc",
		"cursor=c1&from_date=2026-01-01&per_page=60&sort_by=updated_at-desc",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestShortListsAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]func(n int) string{
		"numbered": func(n int) string { return fmt.Sprintf(`{"total":3,"currentPage":%d,"totalPages":3}`, n) },
		"linked": func(n int) string {
			if n == 3 {
				return `{"links":[]}`
			}
			return fmt.Sprintf(`{"links":{"next":"http://x/?page=%d"}}`, n+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n, _ := strconv.Atoi(r.URL.Query().Get("page"))
				_, _ = fmt.Fprintf(w, `{"data":[{"id":%d}],"pagination":%s}`, n, said(n))
			})

			got, err := c.OrderItems(t.Context(), "5")

			if err != nil || string(got.Body) != `[{"id":1},{"id":2},{"id":3}]` {
				t.Errorf("got %s, %v", got.Body, err)
			}
		})
	}
	t.Run("the same page again is the end", func(t *testing.T) {
		t.Parallel()
		got, err := serve(t, answer(`{"data":[{"id":1}],"pagination":{"count":1}}`)).OrderItems(t.Context(), "5")
		if err != nil || string(got.Body) != `[{"id":1}]` {
			t.Errorf("got %s, %v", got.Body, err)
		}
	})
	t.Run("an order without items", func(t *testing.T) {
		t.Parallel()
		got, err := serve(t, answer(`{"data":[]}`)).OrderItems(t.Context(), "5")
		if err != nil || string(got.Body) != "[]" {
			t.Errorf("got %s, %v", got.Body, err)
		}
	})
	t.Run("a long order in one answer is read once", func(t *testing.T) {
		t.Parallel()
		calls := 0
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			_, _ = fmt.Fprintf(w, `{"data":[%s1]}`, strings.Repeat("1,", 99))
		})
		if _, err := c.OrderItems(t.Context(), "5"); err != nil || calls != 1 {
			t.Errorf("got %d calls, %v", calls, err)
		}
	})
	t.Run("a list without end is an error", func(t *testing.T) {
		t.Parallel()
		c := serve(t, answer(`{"data":[{"id":1}],"pagination":{"next":true}}`))
		if _, err := c.Webhooks(t.Context()); err == nil {
			t.Error("got nil")
		}
	})
}
