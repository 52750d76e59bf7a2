package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
)

// The time in a row's id is not quite the time that the row has: pages end between
// rows all the same, and lose none.
func TestTimelineOfTwoClocks(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenantID := handMade(t, db, "palm", nil).ID
	begun := time.UnixMilli(1_763_000_000_000)
	for i := range 6 { // the ids are of a clock that is a second ahead
		at := begun.Add(time.Duration(i) * 100 * time.Millisecond)
		exec(t, db, `INSERT INTO audit (id, at, actor, act, tenant_id, subject) VALUES ($1, $2, 'op', 'tested', $3, $4)`,
			uuid.MustParse(idAt(at.Add(time.Second))), at, tenantID, fmt.Sprint(i))
	}
	var seen string
	f := TimelineFilter{Kinds: []string{HappenedAct}, Limit: 2}
	for {
		page, err := db.Timeline(t.Context(), tenantID, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page.Happenings {
			if h.Name == "tested" { // and not how the tenant was made
				seen += h.Detail
			}
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	if seen != "543210" {
		t.Errorf("the pages have %s, want each once, newest first", seen)
	}
}
