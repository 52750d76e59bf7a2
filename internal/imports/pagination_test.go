package imports_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// Whatever form a list has, an import of it ends complete with exactly the shop's
// records, each counted once; where the form may change what a record looks like, a
// second one finds nothing new.
func TestEveryFormOfAListIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	const by = 10 // a page
	for _, tc := range []struct {
		name string
		form sandbox.ListForm
		most int // pages of a list of 23 that one import may ask for, all passes together; 0: not judged
	}{
		{"as documented", sandbox.ListForm{}, 6},
		{"per_page is ignored", sandbox.ListForm{Size: 15}, 5},
		{"per_page is ignored, and no size is told", sandbox.ListForm{Size: 15, NoTotal: true, Links: "missing"}, 0},
		{"per_page is ignored, by cursor", sandbox.ListForm{Size: 15, Cursor: true}, 0},
		{"links always {}", sandbox.ListForm{Links: "object"}, 6},
		{"links always []", sandbox.ListForm{Links: "list"}, 6},
		{"no links", sandbox.ListForm{Links: "missing"}, 6},
		{"neighbours that are null", sandbox.ListForm{Links: "null", NoTotalPages: true}, 6},
		{"only links, no totals", sandbox.ListForm{NoTotal: true}, 0},
		{"only links that may be null", sandbox.ListForm{NoTotal: true, Links: "null"}, 0},
		{"no totalPages", sandbox.ListForm{NoTotalPages: true}, 6},
		{"no totalPages, no links", sandbox.ListForm{NoTotalPages: true, Links: "list"}, 7},
		{"nothing is told", sandbox.ListForm{NoTotal: true, Links: "list"}, 0},
		{"nothing is told, and 404 beyond the end", sandbox.ListForm{NoTotal: true, Links: "missing", Beyond: "missing"}, 0},
		{"nothing is told, and the last page again beyond the end", sandbox.ListForm{NoTotal: true, Links: "missing", Beyond: "repeat"}, 0},
		{"the last page again beyond the end", sandbox.ListForm{NoTotalPages: true, Links: "object", Beyond: "repeat"}, 7},
		{"short pages", sandbox.ListForm{Short: 2}, 7},
		{"short pages without totalPages", sandbox.ListForm{Short: 2, NoTotalPages: true, Links: "list"}, 8},
		{"short pages without totals", sandbox.ListForm{Short: 2, NoTotal: true}, 0},
		{"short pages of which nothing is told", sandbox.ListForm{Short: 2, NoTotal: true, Links: "missing"}, 0},
		{"every page is short, by cursor", sandbox.ListForm{Short: 1, Cursor: true}, 0},
		{"next is an opaque text", sandbox.ListForm{Cursor: true}, 0},
		{"next is a link", sandbox.ListForm{Cursor: true, Next: "link"}, 0},
		{"next is a number", sandbox.ListForm{Cursor: true, Next: "number"}, 0},
		{"next is true", sandbox.ListForm{Cursor: true, Next: "true"}, 0},
		{"next in an object", sandbox.ListForm{Cursor: true, Next: "object"}, 0},
		{"to_date is exclusive", sandbox.ListForm{ToDateExclusive: true}, 0},
		{"days are UTC's", sandbox.ListForm{FilterUTC: true}, 0},
		{"days are UTC's and the last is out, short pages of its own size", sandbox.ListForm{ToDateExclusive: true, FilterUTC: true, Short: 3, Size: 9}, 0},
		{"documents change their form in the middle", sandbox.ListForm{Drift: true}, 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			forms := map[string]sandbox.ListForm{}
			for _, resource := range shifting() {
				forms[resource] = tc.form
			}
			r := newRig(t, sandbox.StoreSpec{Customers: 23, Products: 16, Orders: 27, Carts: 9, Lists: forms})
			r.PerPage, r.Window = by, 14
			r.manual(nil, shifting()...)
			r.work()
			first := r.wantComplete()
			twice := tc.form.Drift || tc.form == (sandbox.ListForm{}) || tc.form == (sandbox.ListForm{Cursor: true})
			var again store.Run
			if twice {
				r.manual(nil, shifting()...)
				r.work()
				again = r.wantComplete()
			}
			for _, resource := range shifting() {
				n := int64(len(r.shop.SourceIDs(shop, resource)))
				if got := totals(first, resource); got != [3]int64{n, 0, 0} {
					t.Errorf("%s: %v are imported, unchanged and rejected, want %d imported", resource, got, n)
				}
				if got := totals(again, resource); twice && got != [3]int64{0, n, 0} {
					t.Errorf("%s, read again: %v are imported, unchanged and rejected, want %d unchanged", resource, got, n)
				}
				r.wantValues(resource)
				if pages := pagesOf(first, resource); tc.most > 0 && resource != tenantdb.Orders && pages > tc.most {
					t.Errorf("%d pages of %s were read, want at most %d", pages, resource, tc.most)
				}
			}
		})
	}
}

func pagesOf(run store.Run, resource string) int {
	for _, s := range run.Streams {
		if s.Resource == resource {
			return s.Pages
		}
	}
	return 0
}

// wantValues fails unless exactly the shop's records are live, with its values.
func (r *rig) wantValues(resource string) {
	r.t.Helper()
	source, stored := r.source(resource), r.tenantRows(storedValues()[resource])
	for _, id := range slices.Sorted(maps.Keys(source)) {
		if got, ok := stored[id]; !ok || got != source[id] {
			r.t.Errorf("%s %s is %q (%v), want %q", resource, id, got, ok, source[id])
		}
		delete(stored, id)
	}
	if len(stored) > 0 {
		r.t.Errorf("%s: %v are not in the shop", resource, slices.Sorted(maps.Keys(stored)))
	}
}
