package sandbox_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/sandbox"
)

// formed is a sandbox whose orders, 47 of them, page in a form.
func formed(t *testing.T, form sandbox.ListForm) (*rig, string) {
	t.Helper()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{
		Merchant: 2, Products: 9, Orders: 47, Customers: 9, Plain: true, Lists: map[string]sandbox.ListForm{"orders": form},
	})
	access, _ := r.install(2)
	return r, access
}

func TestListForms(t *testing.T) {
	t.Parallel()
	const link = "http://api.salla.dev/admin/v2/orders?page="
	const second = "cGFnZToz" // of page 3
	for _, tc := range []struct {
		name, query string
		form        sandbox.ListForm
		records     int
		want        map[string]any
	}{
		{"a size of its own", "per_page=60&page=4", sandbox.ListForm{Size: 15}, 2, map[string]any{
			"count": 2.0, "total": 47.0, "perPage": 15.0, "currentPage": 4.0, "totalPages": 4.0, "links": map[string]any{"previous": link + "3"},
		}},
		{"links always empty", "page=2", sandbox.ListForm{Links: "list", NoTotalPages: true}, 15, map[string]any{
			"count": 15.0, "total": 47.0, "perPage": 15.0, "currentPage": 2.0, "links": []any{},
		}},
		{"links missing, no totals", "page=2", sandbox.ListForm{Links: "missing", NoTotal: true}, 15, map[string]any{
			"count": 15.0, "currentPage": 2.0,
		}},
		{"neighbours that are null", "per_page=60", sandbox.ListForm{Links: "null", NoTotal: true}, 47, map[string]any{
			"count": 47.0, "currentPage": 1.0, "links": map[string]any{"previous": nil, "next": nil},
		}},
		{"a short page", "page=2&per_page=10", sandbox.ListForm{Short: 2, Links: "object"}, 8, map[string]any{
			"count": 8.0, "total": 47.0, "perPage": 10.0, "currentPage": 2.0, "totalPages": 6.0, "links": map[string]any{},
		}},
		{"next as an opaque text", "page=2", sandbox.ListForm{Cursor: true}, 15, map[string]any{
			"count": 15.0, "perPage": 15.0, "currentPage": 2.0, "previous": "cGFnZTox", "next": second,
		}},
		{"next as a link", "page=2", sandbox.ListForm{Cursor: true, Next: "link"}, 15, map[string]any{
			"count": 15.0, "perPage": 15.0, "currentPage": 2.0,
			"previous": "http://api.salla.dev/admin/v2/orders?cursor=cGFnZTox", "next": "http://api.salla.dev/admin/v2/orders?cursor=" + second,
		}},
		{"next as a number", "page=4", sandbox.ListForm{Cursor: true, Next: "number"}, 2, map[string]any{
			"count": 2.0, "perPage": 15.0, "currentPage": 4.0, "previous": 3.0, "next": nil,
		}},
		{"next that is true", "", sandbox.ListForm{Cursor: true, Next: "true"}, 15, map[string]any{
			"count": 15.0, "perPage": 15.0, "currentPage": 1.0, "previous": nil, "next": true,
		}},
		{"next in an object", "page=2", sandbox.ListForm{Cursor: true, Next: "object"}, 15, map[string]any{
			"count": 15.0, "perPage": 15.0, "currentPage": 2.0, "cursor": map[string]any{"previous": "cGFnZTox", "next": second},
		}},
		{"beyond the end the last again", "page=9&per_page=20", sandbox.ListForm{Beyond: "repeat", Links: "missing"}, 7, map[string]any{
			"count": 7.0, "total": 47.0, "perPage": 20.0, "currentPage": 3.0, "totalPages": 3.0,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, access := formed(t, tc.form)
			records, pagination := r.list(access, "/orders?"+tc.query)
			if len(records) != tc.records {
				t.Errorf("got %d records, want %d", len(records), tc.records)
			}
			if diff := cmp.Diff(tc.want, pagination); diff != "" {
				t.Errorf("pagination (-want +got):\n%s", diff)
			}
		})
	}

	r, access := formed(t, sandbox.ListForm{Beyond: "missing"})
	if out := r.salla("GET", access, "/orders?page=5", ""); out.status != http.StatusNotFound {
		t.Errorf("beyond the end: status %d, want 404", out.status)
	}
}

func TestShortPagesLeaveNothingOut(t *testing.T) {
	t.Parallel()
	for short := range 5 {
		for _, size := range []int{1, 2, 7, 46, 47, 60} {
			r, access := formed(t, sandbox.ListForm{Short: short})
			var got []int64
			for page, last := 1, 1.0; float64(page) <= last; page++ {
				records, p := r.list(access, fmt.Sprintf("/orders?sort_by=id-asc&per_page=%d&page=%d", size, page))
				last = p["totalPages"].(float64)
				for _, one := range records {
					got = append(got, id(one))
				}
			}
			if !slices.Equal(got, r.SourceIDs(2, "orders")) {
				t.Errorf("pages of %d, each %d. short: %d of 47 orders, or in another order", size, short, len(got))
			}
		}
	}
}

func TestOtherReadingsOfDates(t *testing.T) {
	t.Parallel()
	riyadh := time.FixedZone("Riyadh", 3*60*60)
	placed := func(o map[string]any) time.Time {
		at, err := time.ParseInLocation(time.DateTime, o["date"].(map[string]any)["date"].(string)[:19], riyadh)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for name, tc := range map[string]struct {
		form sandbox.ListForm
		zone *time.Location
		days int // of a range from a day to the next
	}{
		"as documented":       {sandbox.ListForm{}, riyadh, 2},
		"in UTC":              {sandbox.ListForm{FilterUTC: true}, time.UTC, 2},
		"the last day is out": {sandbox.ListForm{ToDateExclusive: true}, riyadh, 1},
	} {
		r, access := formed(t, tc.form)
		all, _ := r.list(access, "/orders?per_page=60&sort_by=id-asc")
		differs := false
		for _, one := range all {
			day := placed(one).Format(time.DateOnly)
			from, _ := time.ParseInLocation(time.DateOnly, day, tc.zone)
			usual, _ := time.ParseInLocation(time.DateOnly, day, riyadh)
			got, _ := r.list(access, "/orders?per_page=60&sort_by=id-asc&from_date="+day+"&to_date="+usual.AddDate(0, 0, 1).Format(time.DateOnly))
			var want []map[string]any
			for _, o := range all {
				at := placed(o)
				if !at.Before(from) && at.Before(from.AddDate(0, 0, tc.days)) {
					want = append(want, o)
				}
				if is := !at.Before(usual) && at.Before(usual.AddDate(0, 0, 2)); is != slices.ContainsFunc(got, func(g map[string]any) bool { return id(g) == id(o) }) {
					differs = true
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, from %s (-want +got):\n%.400s", name, day, diff)
			}
		}
		if differs != (name != "as documented") {
			t.Errorf("%s: differs from what is documented: %v", name, differs)
		}
	}
}

// The records of the younger half are written otherwise, each with the same values.
func TestDocumentsDrift(t *testing.T) {
	t.Parallel()
	usual, access := formed(t, sandbox.ListForm{})
	drifting, other := formed(t, sandbox.ListForm{Drift: true})
	want, _ := usual.list(access, "/orders?per_page=60&sort_by=id-asc")
	got, _ := drifting.list(other, "/orders?per_page=60&sort_by=id-asc")

	if diff := cmp.Diff(want[:23], got[:23]); diff != "" {
		t.Errorf("the older half drifts as well:\n%.400s", diff)
	}
	for i, o := range got[23:] {
		before := want[23+i]
		if o["total"] != before["total"].(map[string]any)["amount"] || o["currency"] != "SAR" {
			t.Errorf("order %d: total %v %v, want a plain %v", id(o), o["total"], o["currency"], before["total"])
		}
		if _, ok := o["date"].(string); !ok || o["features"] != nil {
			t.Errorf("order %d: date %v, features %v", id(o), o["date"], o["features"])
		}
	}
}

func TestUnknownFormsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, form := range []string{`{"coupons":{}}`, `{"orders":{"links":"none"}}`, `{"orders":{"size":61}}`, `{"carts":{"next":"page"}}`} {
		if out := r.control("POST", "/stores", `{"merchant":9,"lists":`+form+`}`); out.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d, want 422", form, out.status)
		}
	}
	if out := r.control("POST", "/stores", `{"merchant":9,"orders":3,"lists":{"orders":{"size":15,"short":3}}}`); out.status != http.StatusOK {
		t.Errorf("a form that is known: status %d: %s", out.status, out.raw)
	}
}
