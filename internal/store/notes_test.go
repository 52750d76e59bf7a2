package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// A note is its author's to take back, or an admin's; it is kept, and every act is in
// the audit.
func TestNotes(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	palm, other := handMade(t, db, "palm", nil).ID, handMade(t, db, "dates", nil).ID
	noura, sara := Actor{Name: "noura@example.com"}, Actor{Name: "sara@example.com"}
	first, err := db.AddNote(t.Context(), palm, "  called the merchant\r\nagain tomorrow ", noura)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddNote(t.Context(), palm, strings.Repeat("ن", NoteMost), sara); err != nil {
		t.Fatalf("a note of %d characters: %v", NoteMost, err)
	}
	const blank = " \n "
	for body, kind := range map[string]error{"": fault.Invalid, blank: fault.Invalid, strings.Repeat("ن", NoteMost+1): fault.Invalid, "a\x00b": fault.Invalid} {
		if _, err := db.AddNote(t.Context(), palm, body, noura); !errors.Is(err, kind) {
			t.Errorf("a note %.10q: %v, want %v", body, err, kind)
		}
	}
	if _, err := db.AddNote(t.Context(), uuid.New(), "x", noura); !errors.Is(err, fault.NotFound) {
		t.Errorf("a note of no tenant: %v", err)
	}

	if err := db.RemoveNote(t.Context(), palm, first.ID, false, sara); !errors.Is(err, fault.Forbidden) {
		t.Errorf("somebody else's note: %v, want refused", err)
	}
	if err := db.RemoveNote(t.Context(), other, first.ID, true, sara); !errors.Is(err, fault.NotFound) {
		t.Errorf("another tenant's note: %v, want none", err)
	}
	if err := db.RemoveNote(t.Context(), palm, first.ID, true, sara); err != nil {
		t.Errorf("an admin: %v", err)
	}
	if err := db.RemoveNote(t.Context(), palm, first.ID, false, noura); !errors.Is(err, fault.Conflict) {
		t.Errorf("removed twice: %v, want conflict", err)
	}

	list, more, err := db.Notes(t.Context(), palm, uuid.Nil, false, 1)
	if err != nil || !more || len(list) != 1 || list[0].Author != sara.Name {
		t.Errorf("the first page: %+v, more %t, %v", list, more, err)
	}
	list, more, err = db.Notes(t.Context(), palm, list[0].ID, false, 1)
	if err != nil || more || len(list) != 1 || list[0].Body != "called the merchant\nagain tomorrow" || list[0].RemovedAt == nil || *list[0].RemovedBy != sara.Name {
		t.Errorf("the second page: %+v, more %t, %v; want the removed one kept", list, more, err)
	}
	if n, err := db.CountNotes(t.Context(), palm); err != nil || n != 1 {
		t.Errorf("%d notes stand, %v; want 1", n, err)
	}
	var acts string
	if err := db.pool.QueryRow(t.Context(), `
		SELECT string_agg(act || ' ' || actor, ', ' ORDER BY id) FROM audit WHERE act LIKE 'note.%'`).Scan(&acts); err != nil {
		t.Fatal(err)
	}
	if want := "note.add noura@example.com, note.add sara@example.com, note.remove sara@example.com"; acts != want {
		t.Errorf("audit: %s, want %s", acts, want)
	}
}
