package imports_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/tenantdb"
)

// A run that read a list whole settles what earlier ones could not store of it, and
// no record of that is kept; a run over another list leaves it alone.
func TestWholeRunSettlesOlderRejects(t *testing.T) {
	t.Parallel()
	r := filled(t)
	earlier := r.keep(
		tenantdb.Reject{Resource: tenantdb.Products, SourceID: "990", Record: []byte(`{"id":990}`)},
		tenantdb.Reject{Resource: tenantdb.Products, Record: []byte(`"no id"`)},
		tenantdb.Reject{Resource: tenantdb.Carts, SourceID: "991", Record: []byte(`{"id":991}`)},
	)

	r.manual(nil, tenantdb.Products)
	r.work()
	r.wantComplete()

	if got := r.openRejects(earlier); got != "carts 991: an older version did not understand it" {
		t.Errorf("open are %q", got)
	}
	all, err := r.tdb.Rejects(t.Context(), tenantdb.RejectFilter{Run: earlier, Records: true})
	if err != nil || len(all) != 3 {
		t.Fatal(len(all), err)
	}
	for _, reject := range all {
		if settled := reject.RedrivenAt != nil; settled != (reject.Record == "") {
			t.Errorf("%s: settled %v, keeps %q", reject.Resource, settled, reject.Record)
		}
	}
}

// One call asks for no more reads than it may; the next one goes on.
func TestRedriveAsksForSoManyReadsACall(t *testing.T) {
	t.Parallel()
	r := filled(t)
	const n = 520
	rejects := make([]tenantdb.Reject, n)
	for i := range rejects {
		rejects[i] = tenantdb.Reject{
			Resource: tenantdb.Orders, SourceID: fmt.Sprint(880_000 + i), Record: fmt.Appendf(nil, `{"id":%d,"date":null}`, 880_000+i),
		}
	}
	r.keep(rejects...)

	done := r.redrive(imports.RedriveFilter{}, n)
	if done.Asked != 500 || done.Left != n-500 || done.Next == uuid.Nil {
		t.Fatalf("one call asked for %d reads and left %d, next %s", done.Asked, done.Left, done.Next)
	}
	done = r.redrive(imports.RedriveFilter{After: done.Next}, n)
	if done.Asked != n-500 || done.Next != uuid.Nil {
		t.Errorf("the next call asked for %d reads, next %s", done.Asked, done.Next)
	}
}
