package imports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
)

const (
	// redriveBatch is how many rejects are merged in one transaction.
	redriveBatch = 200
	// redriveFor is how long one call goes on taking batches.
	redriveFor = 7 * time.Second
	// redriveReads is how many reads one call asks for at most: they come before the
	// reads of imports.
	redriveReads = 500
	// trialSize is how many rejects are mapped to tell what a re-drive would do.
	trialSize = 500
	// keptWithin is how long after its request began a record may have been rejected,
	// different clocks included. Its reject says only when it was kept. To take it for
	// older than it is loses nothing: where something is stored, a read follows.
	keptWithin = 5 * time.Minute
)

// RedriveFilter chooses open rejects; zero values choose all of a tenant.
type RedriveFilter struct {
	IDs      []uuid.UUID `json:"ids,omitempty"`
	Run      uuid.UUID   `json:"run,omitzero"`
	Resource string      `json:"resource,omitempty"`
	Field    string      `json:"field,omitempty"` // or tenantdb.NoField
	// Reason is one as it stands, or one that is like it but for quoted texts, ids
	// and numbers.
	Reason string `json:"reason,omitempty"`
	// After is the Next of the call before.
	After uuid.UUID `json:"after,omitzero"`
}

func (f RedriveFilter) rejects() tenantdb.RejectFilter {
	return tenantdb.RejectFilter{
		IDs: f.IDs, Run: f.Run, Resource: f.Resource, Field: f.Field, Reason: f.Reason, Before: f.After, Open: true,
	}
}

// Redriven is what re-driving rejects came to. Each that was tried was stored,
// unchanged, overtaken or is still rejected.
type Redriven struct {
	Tried     int
	Stored    int // the record is stored now
	Unchanged int // the record is stored as it is
	Overtaken int // what is stored is newer, or says that the record is deleted
	// Still are those that remain open, by resource, field and reason.
	Still []tenantdb.RejectGroup
	// Asked are the records that are read again at the source, to have the newest or
	// to mend what is still rejected: a reject whose read succeeds settles by itself.
	Asked int
	// Left are those that the filter chooses and that were not tried; where there are
	// more than 10,000 it is 10,001.
	Left int
	// Next goes on, as RedriveFilter.After; zero where nothing is left.
	Next uuid.UUID
}

// Rejected is how many of those that were tried remain open.
func (r Redriven) Rejected() int {
	n := 0
	for _, g := range r.Still {
		n += g.Count
	}
	return n
}

// Add adds the result of a call that went on after this one.
func (r *Redriven) Add(more Redriven) {
	r.Tried += more.Tried
	r.Stored += more.Stored
	r.Unchanged += more.Unchanged
	r.Overtaken += more.Overtaken
	r.Asked += more.Asked
	for _, g := range more.Still {
		r.still(g)
	}
	r.Left, r.Next = more.Left, more.Next
}

func (r *Redriven) still(g tenantdb.RejectGroup) {
	for i := range r.Still {
		if s := &r.Still[i]; s.Resource == g.Resource && s.Field == g.Field && s.Reason == g.Reason {
			s.Count += g.Count
			return
		}
	}
	r.Still = append(r.Still, g)
}

func (r *Redriven) add(kept tenantdb.KeptReject, became tenantdb.Redriven) {
	if became.Outcome == "" {
		return
	}
	r.Tried++
	switch became.Outcome {
	case tenantdb.Stored:
		r.Stored++
	case tenantdb.Unchanged:
		r.Unchanged++
	case tenantdb.Stale:
		r.Overtaken++
	case tenantdb.Rejected, tenantdb.NeedsRead:
		r.still(tenantdb.RejectGroup{
			Resource: kept.Resource, Field: became.Field, Reason: became.Reason, Count: 1, Newest: kept.CreatedAt,
		})
	}
}

// Redrive maps the records of rejects anew, as this version understands them, and
// merges them like reads that began when they were kept, newest first: what is
// stored and newer stays, and so does a tombstone. What is still refused stays a
// reject, with the newest reason. Whatever has an id is read again where something
// was stored under it before, or where the kept record is no use; those reads wait
// for a tenant that cannot be asked now. Doing it twice at once, or beside an
// import, is safe.
//
// One call tries about limit rejects, asks for 500 reads or goes on for seconds; Next
// tells how to go on. What was done is in the audit, and in the result also where it ends with an
// error. The tasks are to be enqueued. It is fault.Conflict where the tenant's
// database takes no logins.
func (im *Importer) Redrive(
	ctx context.Context, tenantID uuid.UUID, by store.Actor, f RedriveFilter, limit int,
) (done Redriven, tasks []store.Task, err error) {
	db, err := im.openRejects(ctx, tenantID)
	if err != nil {
		return Redriven{}, nil, err
	}
	if limit <= 0 {
		limit = 10 * redriveBatch
	}
	defer func() {
		err = errors.Join(err, im.noteRedrive(ctx, tenantID, by, f, done))
	}()
	for begun := time.Now(); ; {
		filter := f.rejects()
		filter.Limit = min(redriveBatch, limit-done.Tried, redriveReads-done.Asked)
		if filter.Limit <= 0 || time.Since(begun) >= redriveFor {
			return done, tasks, im.left(ctx, db, f, &done)
		}
		kept, err := db.KeptRejects(ctx, filter)
		if err != nil || len(kept) == 0 {
			done.Next = uuid.Nil
			return done, tasks, err
		}
		wanted, err := im.redrive(ctx, db, tenantID, kept, &done)
		tasks = append(tasks, wanted...)
		if err != nil {
			return done, tasks, err
		}
		f.After = kept[len(kept)-1].ID
		done.Next = f.After
	}
}

// left counts what a call leaves to the next one.
func (im *Importer) left(ctx context.Context, db *tenantdb.DB, f RedriveFilter, done *Redriven) error {
	counts, err := db.RejectCounts(ctx, f.rejects())
	for _, n := range counts {
		done.Left += n
	}
	if done.Left == 0 && err == nil {
		done.Next = uuid.Nil
	}
	return err
}

// openRejects opens the database of a tenant whose rejects can be re-driven.
func (im *Importer) openRejects(ctx context.Context, tenantID uuid.UUID) (*tenantdb.DB, error) {
	t, err := im.DB.Tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	switch {
	case t.Status == string(tenant.Suspended):
		return nil, fault.New(fault.Conflict, "the tenant is suspended and its database takes no logins: resume it first")
	case gone(t.Status):
		return nil, fault.New(fault.Conflict, "the tenant is %s", t.Status)
	}
	return im.Open(ctx, tenantID)
}

// redrive re-drives one batch. The reads are wanted first: should what follows be
// lost, they bring the newest anyway, and a merge is older than they are.
func (im *Importer) redrive(
	ctx context.Context, db *tenantdb.DB, tenantID uuid.UUID, kept []tenantdb.KeptReject, done *Redriven,
) ([]store.Task, error) {
	list := make([]tenantdb.Redrive, len(kept))
	entities := make([]string, len(kept))
	var wants []store.Want
	for i, r := range kept {
		list[i], entities[i] = im.remap(r)
		if entities[i] != "" && (r.Known || list[i].Reason != "" || r.Run == uuid.Nil || r.Resource == tenantdb.OrderDetails) {
			wants = append(wants, wantOf(r.Resource, entities[i]))
		}
	}
	tasks, err := im.want(ctx, tenantID, wants, done)
	if err != nil {
		return tasks, err
	}
	became, err := db.Redrive(ctx, list)
	if err != nil {
		return tasks, err
	}
	var late []store.Want // what only the database refused
	for i, r := range kept {
		b := became[r.ID]
		done.add(r, b)
		want := wantOf(r.Resource, entities[i])
		if entities[i] != "" && (b.Outcome == tenantdb.Rejected || b.Outcome == tenantdb.NeedsRead) && !slices.Contains(wants, want) {
			late = append(late, want)
		}
	}
	more, err := im.want(ctx, tenantID, late, done)
	return append(tasks, more...), err
}

func wantOf(resource, entity string) store.Want {
	if resource == tenantdb.OrderDetails {
		resource = tenantdb.Orders
	}
	return store.Want{Resource: resource, Entity: entity}
}

// want has records read again.
func (im *Importer) want(ctx context.Context, tenantID uuid.UUID, wants []store.Want, done *Redriven) ([]store.Task, error) {
	if len(wants) == 0 {
		return nil, nil
	}
	slices.SortFunc(wants, func(a, b store.Want) int {
		return strings.Compare(a.Resource+" "+a.Entity, b.Resource+" "+b.Entity)
	})
	wants = slices.Compact(wants)
	tasks, err := im.DB.WantReads(ctx, tenantID, wants)
	if err != nil {
		return nil, err
	}
	done.Asked += len(wants)
	return tasks, nil
}

// remap maps a kept record anew. entity is the id that the source can be asked for,
// "" where none is known.
func (im *Importer) remap(r tenantdb.KeptReject) (again tenantdb.Redrive, entity string) {
	again = tenantdb.Redrive{ID: r.ID, KeptAt: r.CreatedAt}
	known := ""
	if r.SourceID != nil {
		known = *r.SourceID
	}
	if idForm.MatchString(known) {
		entity = known
	}
	if strings.TrimSpace(r.Record) == "null" { // what could not be read has nothing to map
		if r.Field != nil {
			again.Field = *r.Field
		}
		again.Reason = r.Reason
		return again, entity
	}
	resource, how := r.Resource, asListed
	switch {
	case r.Resource == tenantdb.OrderDetails:
		resource, how = tenantdb.Orders, asDetail
	case r.Run == uuid.Nil:
		how = asDetail
	}
	raw := json.RawMessage(r.Record)
	var items json.RawMessage
	if r.Resource == tenantdb.OrderDetails {
		raw, items = withoutItems(raw)
	}
	m, err := mapRecord(resource, how, raw, r.CreatedAt.Add(-keptWithin))
	if err == nil && known != "" && m.Record.Key != known {
		err = &invalid{"id", "the record is not the one that was asked for"}
	}
	if err == nil && items != nil && !m.Deleted {
		var part tenantdb.Record
		if part, err = mapItems(m.Record.Key, salla.Document{Body: items}, m.Record); err == nil {
			again.Items = &part
		}
	}
	if err != nil {
		refused := reject(m, resource, raw, err)
		again.Field, again.Reason = refused.Field, refused.Reason
		return again, entity
	}
	again.Shape, again.Record, again.Deleted = m.Shape, m.Record, m.Deleted
	if entity == "" {
		entity = m.Record.Key
	}
	return again, entity
}

// withoutItems takes apart what withItems has put together.
func withoutItems(raw json.RawMessage) (order, items json.RawMessage) {
	d := parse(raw)
	if !d.has("items") {
		return raw, nil
	}
	items = d["items"]
	delete(d, "items")
	return embed(d), items
}

// noteRedrive adds a line to the audit, also where whoever asked has gone.
func (im *Importer) noteRedrive(ctx context.Context, tenantID uuid.UUID, by store.Actor, f RedriveFilter, done Redriven) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	f.After = uuid.Nil
	err := im.DB.Noted(ctx, by, store.Act{
		Name: "rejects.redrive", Tenant: tenantID,
		Details: map[string]any{
			"filter": f, "tried": done.Tried, "stored": done.Stored, "unchanged": done.Unchanged,
			"overtaken": done.Overtaken, "still_rejected": done.Rejected(), "asked_again": done.Asked,
		},
	}, func() error { return nil })
	if err != nil {
		return fmt.Errorf("note the re-drive: %w", err)
	}
	return nil
}

// Trial says what re-driving would do, as far as that can be told without writing.
type Trial struct {
	Chosen     int // by the filter; where there are more than 10,000 it is 10,001
	Looked     int // of them, the newest
	Understood int // of those looked at: the record can be mapped now
	Asked      int // of those looked at: the record would be read again at the source
	// Still are those looked at that would still be rejected.
	Still []tenantdb.RejectGroup
}

// TryRedrive tells what Redrive would do, and writes nothing.
func (im *Importer) TryRedrive(ctx context.Context, tenantID uuid.UUID, f RedriveFilter) (Trial, error) {
	db, err := im.openRejects(ctx, tenantID)
	if err != nil {
		return Trial{}, err
	}
	counts, err := db.RejectCounts(ctx, f.rejects())
	if err != nil {
		return Trial{}, err
	}
	var trial Trial
	for _, n := range counts {
		trial.Chosen += n
	}
	filter := f.rejects()
	filter.Limit = trialSize
	kept, err := db.KeptRejects(ctx, filter)
	if err != nil {
		return Trial{}, err
	}
	var still Redriven
	for _, r := range kept {
		again, entity := im.remap(r)
		trial.Looked++
		if again.Reason == "" {
			trial.Understood++
		} else {
			still.add(r, tenantdb.Redriven{Outcome: tenantdb.Rejected, Field: again.Field, Reason: again.Reason})
		}
		if entity != "" && (r.Known || again.Reason != "" || r.Run == uuid.Nil || r.Resource == tenantdb.OrderDetails) {
			trial.Asked++
		}
	}
	trial.Still = still.Still
	return trial, nil
}
