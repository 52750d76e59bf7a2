package imports

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

const (
	passes = 3 // over one list, at most
	checks = 3 // comparisons of a pass: what events were on their way has come by then

	shortList   = 5 // pages of a list that is cheap to read again,
	shortPasses = 6 // and the passes over it

	mostUnseen   = 2000                              // records of a run that are read one by one because no list showed them
	unseenChecks = 24                                // and how often it is looked whether they have been: for about ten minutes
	lastChecks   = store.UnseenWanted + unseenChecks // from which on events are waited for
)

// Finish runs whenever all streams of a run have ended. It compares the lists with
// the source: a list that shifted while it was read is read again, a few times at
// most. Then come the records that a whole pass did not show, the details, and the
// end, complete or with the reason why not.
func (im *Importer) Finish(ctx context.Context, l store.Lease) ([]store.Task, error) {
	run, err := im.DB.Run(ctx, l.ID)
	if err != nil {
		return nil, err
	}
	t, err := im.DB.Tenant(ctx, run.TenantID)
	if err != nil {
		return nil, err
	}
	switch {
	case gone(t.Status):
		return nil, im.DB.CancelLeasedRun(ctx, run.ID, "the tenant is "+t.Status)
	case run.Status == "failed": // its dead letter was run again
		if err := im.DB.ReopenRun(ctx, run.ID); err != nil {
			return nil, err
		}
	case run.Status != "running" && run.Status != "waiting":
		return nil, nil
	}
	tasks, err := im.finish(ctx, l, run, t)
	return tasks, im.outcome(ctx, l, run.TenantID, err)
}

func (im *Importer) finish(ctx context.Context, l store.Lease, run store.Run, t store.Tenant) ([]store.Task, error) {
	if err := ready(t.Status, t.Merchant); err != nil {
		return nil, err
	}
	all, err := im.DB.Streams(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	db, err := im.Open(ctx, run.TenantID)
	if err != nil {
		return nil, err
	}
	f := &finishing{Importer: im, run: run, merchant: *t.Merchant, db: db, streams: all}
	if run.ListsDoneAt == nil {
		if err := f.awaitUnseen(ctx, l); err != nil {
			return nil, err
		}
		if err := f.compareLists(ctx, l); err != nil {
			return nil, err
		}
		if len(f.again) > 0 {
			return im.DB.ContinueRun(ctx, l, f.ends, f.again, false)
		}
		wants, err := f.wantUnseen(ctx)
		if err != nil {
			return nil, err
		}
		if len(wants) > 0 {
			return im.DB.AwaitUnseen(ctx, l, f.ends, wants)
		}
		if f.wantsDetails() {
			next := []store.NewStream{{Resource: tenantdb.OrderDetails, Pass: 1, PerPage: im.details()}}
			return im.DB.ContinueRun(ctx, l, f.ends, next, !f.failed(lists()...))
		}
		return f.close(ctx, l)
	}
	if f.wantsDetails() {
		next := []store.NewStream{{Resource: tenantdb.OrderDetails, Pass: 1, PerPage: im.details()}}
		return im.DB.ContinueRun(ctx, l, nil, next, true)
	}
	return f.close(ctx, l)
}

// finishing is a run whose streams have ended.
type finishing struct {
	*Importer

	run      store.Run
	merchant int64
	db       *tenantdb.DB
	streams  []store.Stream

	ends     []store.StreamEnd
	again    []store.NewStream
	readings map[string][]reading // by resource, see windows
	wanted   map[string]int       // by resource: how many are read one by one
}

// lastJudgement tells that what no list showed has been read: no list is read again.
func (f *finishing) lastJudgement() bool { return f.run.Checks >= store.UnseenWanted }

// last gives the newest pass over a resource.
func (f *finishing) last(resource string) (store.Stream, bool) {
	for _, s := range slices.Backward(f.streams) {
		if s.Resource == resource {
			return s, true
		}
	}
	return store.Stream{}, false
}

// failed tells whether a stream of any of the resources gave up.
func (f *finishing) failed(resources ...string) bool {
	for _, resource := range resources {
		if s, ok := f.last(resource); ok && s.Status == "failed" {
			return true
		}
	}
	return false
}

// wantsDetails tells whether the second pass over orders is still to come.
func (f *finishing) wantsDetails() bool {
	_, opened := f.last(tenantdb.OrderDetails)
	return slices.Contains(f.run.Resources, tenantdb.OrderDetails) && !opened && !f.failed(tenantdb.Orders)
}

// awaitUnseen waits, for some minutes at most, until the records have been read that
// no list showed: the end of a list is not written before.
func (f *finishing) awaitUnseen(ctx context.Context, l store.Lease) error {
	looked := f.run.Checks - store.UnseenWanted
	if looked < 0 || looked >= unseenChecks {
		return nil
	}
	open, err := f.DB.UnseenOpen(ctx, f.run)
	if err != nil || !open {
		return err
	}
	if err := f.DB.NoteCheck(ctx, l, 0); err != nil {
		return err
	}
	return fault.WaitUntil(time.Now().Add(min(recheck<<min(looked, 4), 30*time.Second)), "records that no list showed to be read")
}

// compareLists compares every list. Where one differs, or more came than is known
// of, it waits a moment, for what events may still bring, before the list, or the
// windows of it that could not be proved, are read again. When the records have been
// read that no list showed, all are compared once more, and none is read again.
func (f *finishing) compareLists(ctx context.Context, l store.Lease) error {
	var differ []string
	for _, resource := range lists() {
		s, ok := f.last(resource)
		if !ok || s.Status == "failed" {
			continue
		}
		c, err := f.compare(ctx, s)
		if err != nil {
			return err
		}
		end := store.StreamEnd{ID: s.ID, TotalAfter: c.total, Status: "complete"}
		next := f.nextPass(s, c)
		again := !f.lastJudgement() && s.Pass < f.most(s, next, c)
		if again && c.proof == proved && f.base(resource).WindowAim > 0 && !c.complete() && f.run.Checks >= checks-1 {
			// All windows are proved: where none counts otherwise by now, to read the list
			// again would tell nothing new.
			if err := f.onlyChanged(ctx, &next); err != nil {
				return err
			}
			again = len(next.Windows) > 0
		}
		switch {
		case c.complete():
			f.allot(resource, &c)
			if end.Reason = f.told(resource, c); f.lastJudgement() && s.Status == "complete" && s.Reason != nil {
				end.Reason = *s.Reason
			}
		case f.lastJudgement() && s.Status == "complete" && c.total != nil && f.run.Checks < lastChecks+checks-1:
			differ = append(differ, resource)
		case !f.lastJudgement() && c.total != nil && c.proof != shifted && f.run.Checks < checks-1:
			differ = append(differ, resource)
		case again:
			end.Status, end.Reason = "incomplete", fmt.Sprintf("%s: read again as pass %d", resource, next.Pass)
			f.again = append(f.again, next)
		default:
			f.allot(resource, &c)
			if c.lacking, err = f.lacking(ctx, resource); err != nil {
				return err
			}
			end.Status, end.Reason = "incomplete", f.missing(resource, c)
		}
		f.ends = append(f.ends, end)
	}
	if len(differ) == 0 {
		return nil
	}
	least := 0
	if f.lastJudgement() {
		least = lastChecks
	}
	if err := f.DB.NoteCheck(ctx, l, least); err != nil {
		return err
	}
	return fault.WaitUntil(time.Now().Add(recheck), "events that may explain why %s differ", strings.Join(differ, ", "))
}

// nextPass reads a list again: the windows that could not be proved, else all of
// it, or as much of it as the run is about.
func (f *finishing) nextPass(s store.Stream, c comparison) store.NewStream {
	next := f.wholePass(s.Resource, s.Pass+1)
	next.FromDate, next.ToDate = s.FromDate, s.ToDate
	for _, w := range c.windows {
		next.Windows = append(next.Windows, w.Range())
	}
	return next
}

// onlyChanged narrows a pass over a list whose windows are all proved to those that
// count otherwise by now.
func (f *finishing) onlyChanged(ctx context.Context, next *store.NewStream) error {
	changed, err := f.changed(ctx, next.Resource)
	for _, w := range changed {
		next.Windows = append(next.Windows, w.Range())
	}
	return err
}

// most is how many passes a list may have: more where the next one is short.
func (f *finishing) most(s store.Stream, next store.NewStream, c comparison) int {
	pages, size := s.Pages, int64(max(s.PerPage, 1))
	if c.total != nil {
		pages = int((*c.total + size - 1) / size)
	}
	if len(next.Windows) > 0 {
		pages = 0
		for _, w := range c.windows {
			if w.Total == nil {
				return passes
			}
			pages += int((*w.Total + size - 1) / size)
		}
	}
	if pages <= shortList {
		return shortPasses
	}
	return passes
}

// allot decides how many of the records that a list did not show are read one by one:
// as many as a run has room for, but none where a list that is not equal lacks so
// many that it was not shown as a whole.
func (f *finishing) allot(resource string, c *comparison) {
	n := c.unseen + c.perhaps
	if f.lastJudgement() || n == 0 {
		return
	}
	if !c.equal && n > max(200, c.live/20) {
		c.unread = n
		return
	}
	if f.wanted == nil {
		f.wanted = map[string]int{}
	}
	room := mostUnseen
	for _, taken := range f.wanted {
		room -= taken
	}
	f.wanted[resource] = min(n, room)
	c.unread = n - f.wanted[resource]
}

// wantUnseen gives the records that are to be read because a pass did not show them:
// what is gone becomes a tombstone, a cart that exists has left its list.
func (f *finishing) wantUnseen(ctx context.Context) ([]store.Want, error) {
	var wants []store.Want
	for _, resource := range lists() {
		left := f.wanted[resource]
		if left == 0 {
			continue
		}
		if err := f.eachUnseen(ctx, resource, func(keys []string, _ bool) error {
			for _, key := range keys[:min(len(keys), left)] {
				wants = append(wants, store.Want{Resource: resource, Entity: key})
				left--
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return wants, nil
}

// whole tells whether a pass was over all of its list.
func whole(s store.Stream) bool { return !s.UntilKnown && s.FromDate == "" && s.ToDate == "" }

// close computes what depends on the whole store and ends the run.
func (f *finishing) close(ctx context.Context, l store.Lease) ([]store.Task, error) {
	if s, ok := f.last(tenantdb.OrderDetails); ok && s.Status != "failed" {
		end, err := f.compareDetails(ctx, s)
		if err != nil {
			return nil, err
		}
		f.ends = append(f.ends, end)
	}
	if err := f.settleOlder(ctx); err != nil {
		return nil, err
	}
	if err := f.db.FinishRun(ctx); err != nil {
		return nil, err
	}
	return f.DB.FinishRun(ctx, l, f.end())
}

// end sums up how the streams ended: one that gave up fails the run, one that is
// not equal makes it incomplete.
func (f *finishing) end() store.RunEnd {
	end := store.RunEnd{Status: "complete", Streams: f.ends}
	var reasons []string
	for _, resource := range append(lists(), tenantdb.OrderDetails) {
		s, ok := f.last(resource)
		if !ok {
			continue
		}
		status, reason := s.Status, ""
		if s.Reason != nil {
			reason = *s.Reason
		}
		for _, e := range f.ends {
			if e.ID == s.ID && status != "failed" {
				status, reason = e.Status, e.Reason
			}
		}
		switch {
		case status == "failed":
			end.Status = "failed"
			reasons = append(reasons, fmt.Sprintf("%s gave up: %s", resource, reason))
		case status == "incomplete":
			if end.Status != "failed" {
				end.Status = "incomplete"
			}
			reasons = append(reasons, reason)
		}
	}
	if f.failed(tenantdb.Orders) && slices.Contains(f.run.Resources, tenantdb.OrderDetails) {
		reasons = append(reasons, "order_details were not read, for orders are not")
	}
	end.Reason = strings.Join(reasons, "; ")
	return end
}
