package tenantdb

import (
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 11, 1, 12, minute, 0, 0, time.UTC) }
	on := func(minute int) *time.Time { v := at(minute); return &v }
	read := func(hash string, source *time.Time, began int) Record {
		return Record{Key: "1", Hash: []byte(hash), SourceUpdatedAt: source, ReadAt: at(began)}
	}
	stored := func(hash string, source *time.Time, began int) *state {
		return &state{Key: "1", Hash: []byte(hash), UpdatedAt: source, ReadAt: on(began)}
	}
	buried := func(source *time.Time, known int) *state {
		return &state{Key: "1", Hash: []byte("a"), UpdatedAt: source, ReadAt: on(known), DeletedAt: on(known)}
	}
	list, event, part := OrderList(), OrderEvent(), OrderItems()
	tests := []struct {
		name  string
		shape Shape
		cur   *state
		rec   Record
		want  Outcome
	}{
		{"read of an unknown record", list, nil, read("a", nil, 1), Stored},
		{"read of the same", list, stored("a", nil, 1), read("a", nil, 2), Unchanged},
		{"older read of the same", list, stored("a", on(5), 9), read("a", on(5), 2), Unchanged},
		{"later read without source time", list, stored("a", nil, 1), read("b", nil, 2), Stored},
		{"read at the same instant", list, stored("a", nil, 1), read("b", nil, 1), Stored},
		{"earlier read without source time", list, stored("a", nil, 2), read("b", nil, 1), Stale},
		{"newer source time beats a later read", list, stored("a", on(1), 9), read("b", on(2), 3), Stored},
		{"older source time loses to an earlier read", list, stored("a", on(2), 3), read("b", on(1), 9), Stale},
		{"same source time, later read", list, stored("a", on(2), 3), read("b", on(2), 4), Stored},
		{"same source time, earlier read", list, stored("a", on(2), 4), read("b", on(2), 3), Stale},
		{"only the stored has a source time", list, stored("a", on(9), 3), read("b", nil, 4), Stored},
		{"only the read has a source time", list, stored("a", nil, 4), read("b", on(9), 3), Stale},
		{"read begun after the deletion", list, buried(nil, 3), read("b", nil, 4), Stored},
		{"read of the same begun after the deletion", list, buried(nil, 3), read("a", nil, 4), Stored},
		{"read begun as the deletion", list, buried(nil, 3), read("b", nil, 3), Stale},
		{"read begun before the deletion, newer source time", list, buried(on(1), 3), read("b", on(9), 2), Stale},

		{"event without source time, unknown record", event, nil, read("a", nil, 1), NeedsRead},
		{"event without source time", event, stored("a", on(1), 1), read("b", nil, 9), NeedsRead},
		{"event of an unknown record", event, nil, read("a", on(1), 1), Stored},
		{"same event again", event, stored("a", on(1), 1), read("a", on(1), 9), Unchanged},
		{"newer event", event, stored("a", on(1), 9), read("b", on(2), 1), Stored},
		{"older event", event, stored("a", on(2), 1), read("b", on(1), 9), Stale},
		{"event of the same second with another document", event, stored("a", on(1), 1), read("b", on(1), 9), NeedsRead},
		{"event where the stored has no source time", event, stored("a", nil, 1), read("b", on(5), 9), NeedsRead},
		{"newer event of a deleted record", event, buried(on(1), 3), read("b", on(2), 9), NeedsRead},
		{"older event of a deleted record", event, buried(on(2), 3), read("b", on(1), 9), Stale},
		{"event of a deleted record, same time", event, buried(on(1), 3), read("b", on(1), 9), Stale},
		{"event of a record deleted at no known source time", event, buried(nil, 3), read("b", on(1), 9), NeedsRead},

		{"part of an unknown record", part, nil, read("a", nil, 1), NeedsRead},
		{"part of a deleted record", part, buried(nil, 3), read("a", nil, 9), NeedsRead},
		{"part read with the record", part, stored("a", on(1), 3), read("b", nil, 3), Stored},
		{"part read before the record", part, stored("a", on(1), 3), read("b", on(9), 2), Stale},
		{"same part", part, stored("a", on(1), 3), read("a", nil, 4), Unchanged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := decide(tt.shape, tt.cur, tt.rec); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTombstoneOrder(t *testing.T) {
	t.Parallel()
	on := func(minute int) *time.Time { v := time.Date(2026, 11, 1, 12, minute, 0, 0, time.UTC); return &v }
	tests := []struct {
		name   string
		source *time.Time
		known  int
		read   bool
		cur    *state
		want   bool
	}{
		{"unknown record", nil, 1, false, nil, true},
		{"deleted already", nil, 1, false, &state{ReadAt: on(9), DeletedAt: on(9)}, true},
		{"told after the read", nil, 5, false, &state{ReadAt: on(4)}, true},
		{"told as the read began", nil, 4, false, &state{ReadAt: on(4)}, true},
		{"told before the read", nil, 3, false, &state{ReadAt: on(4)}, false},
		{"event with the stored source time", on(1), 3, false, &state{ReadAt: on(3), UpdatedAt: on(1)}, true},
		{"event with a newer source time, told late", on(2), 3, false, &state{ReadAt: on(4), UpdatedAt: on(1)}, true},
		{"event with an older source time", on(1), 9, false, &state{ReadAt: on(4), UpdatedAt: on(2)}, false},
		{"404 after the read", nil, 5, true, &state{ReadAt: on(4), UpdatedAt: on(2)}, true},
		{"404 before the read", nil, 3, true, &state{ReadAt: on(4), UpdatedAt: on(2)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := TombstoneOrder{SourceUpdatedAt: tt.source, ReadAt: *on(tt.known), FromRead: tt.read}
			if got := o.buries(tt.cur); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}
