package tenantdb

import (
	"bytes"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/protect"
)

// state is what the database knows of a record before a merge.
type state struct {
	Key       string
	Hash      []byte // of the same shape's document
	ListHash  []byte
	UpdatedAt *time.Time
	ReadAt    *time.Time
	Seen      *uuid.UUID
	DeletedAt *time.Time
	PersonID  *uuid.UUID
}

// decide says what to do with a record, given what is stored: nil if nothing.
//
// A read is ordered by (source update time, instant its request began); where
// either side has no update time, only the instants compare. An event's instant
// says nothing about the age of what it carries, so wherever its update time
// does not decide, a read must.
func decide(s Shape, cur *state, r Record) Outcome {
	switch {
	case s.Part && (cur == nil || cur.DeletedAt != nil):
		return NeedsRead
	case s.Event:
		return decideEvent(cur, r)
	case cur == nil:
		return Stored
	case cur.DeletedAt != nil:
		// Deletions win ties: only a read begun after it lifts a tombstone.
		if protect.Tombstone && cur.ReadAt != nil && !r.ReadAt.After(*cur.ReadAt) {
			return Stale
		}
		return Stored
	case bytes.Equal(r.Hash, cur.Hash):
		return Unchanged
	case protect.ReadOrder && older(s, cur, r):
		return Stale
	}
	return Stored
}

func decideEvent(cur *state, r Record) Outcome {
	switch {
	case r.SourceUpdatedAt == nil:
		return NeedsRead
	case cur == nil:
		return Stored
	case cur.DeletedAt != nil:
		if cur.UpdatedAt != nil && !r.SourceUpdatedAt.After(*cur.UpdatedAt) {
			return Stale
		}
		return NeedsRead
	case bytes.Equal(r.Hash, cur.Hash), bytes.Equal(r.Hash, cur.ListHash):
		return Unchanged
	case cur.UpdatedAt == nil, r.SourceUpdatedAt.Equal(*cur.UpdatedAt):
		return NeedsRead
	case r.SourceUpdatedAt.Before(*cur.UpdatedAt):
		return Stale
	}
	return Stored
}

// older tells whether a read saw the record before what is stored did.
func older(s Shape, cur *state, r Record) bool {
	if !s.Part && r.SourceUpdatedAt != nil && cur.UpdatedAt != nil && !r.SourceUpdatedAt.Equal(*cur.UpdatedAt) {
		return r.SourceUpdatedAt.Before(*cur.UpdatedAt)
	}
	return cur.ReadAt != nil && r.ReadAt.Before(*cur.ReadAt)
}

// TombstoneOrder says when a deletion became known, to order it among reads.
type TombstoneOrder struct {
	// SourceUpdatedAt is the update time that a deletion event's document carries.
	SourceUpdatedAt *time.Time
	// ReadAt is when the read began that found nothing, or when the event was received.
	ReadAt time.Time
	// FromRead: a read found nothing; otherwise an event told.
	FromRead bool
}

// buries tells whether the deletion stands against what is stored. It wins ties.
func (o TombstoneOrder) buries(cur *state) bool {
	if cur == nil || cur.DeletedAt != nil {
		return true
	}
	if !o.FromRead && o.SourceUpdatedAt != nil && cur.UpdatedAt != nil && !o.SourceUpdatedAt.Equal(*cur.UpdatedAt) {
		return o.SourceUpdatedAt.After(*cur.UpdatedAt)
	}
	return cur.ReadAt == nil || !o.ReadAt.Before(*cur.ReadAt)
}
