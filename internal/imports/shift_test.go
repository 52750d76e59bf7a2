package imports_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// SHIFT_SEED runs one seed alone; SHIFT_SEEDS says how many there are of each test.
const (
	shiftSeed  = "SHIFT_SEED"
	shiftSeeds = "SHIFT_SEEDS"
)

// Records come, change and go while a run reads the lists, their webhooks arrive
// late, in any order and twice, and workers are lost on the way. In the end the
// tenant's database equals the shop, or the run says incomplete and names each
// list that differs. A seed is repeated by SHIFT_SEED=7 go test -run 'TestPageShift$'.
func TestPageShift(t *testing.T) {
	t.Parallel()
	eachSeed(t, 20, func(t *testing.T, seed uint64) {
		s := newShift(t, seed)
		s.rate = []int{3, 6, 15}[s.rand.IntN(3)]
		switch s.rand.IntN(3) {
		case 0:
			s.stop = s.rand.IntN(250)
		case 1:
			s.afterFinish = 1 + s.rand.IntN(30)
		}
		s.open()
		s.work()
		s.check()
	})
}

// Webhooks are lost after a complete run; what comes later arrives. A reconcile
// finds all that was missed.
func TestReconcileFindsWhatWasMissed(t *testing.T) {
	t.Parallel()
	eachSeed(t, 2, func(t *testing.T, seed uint64) {
		s := newShift(t, seed)
		s.calm, s.still, s.PerPage = true, true, 5
		s.open()
		s.work()
		s.wantComplete()
		s.forget()
		for range 15 + s.rand.IntN(40) {
			s.lossy = true
			s.mutate()
		}
		s.lossy = false
		for range s.rand.IntN(80) { // these are known, and newer than what was missed
			s.mutate()
		}
		s.work()
		s.exec(`UPDATE runs SET finished_at = now() - interval '2 days', created_at = now() - interval '2 days'`)
		s.open()
		s.work()
		if kind := s.last().Kind; kind != store.RunReconcile {
			t.Fatalf("the run is of kind %s", kind)
		}
		s.check()
	})
}

// eachSeed runs a test with n seeds, if no other number is given.
func eachSeed(t *testing.T, n uint64, test func(t *testing.T, seed uint64)) {
	t.Helper()
	first := uint64(1)
	if text := os.Getenv(shiftSeeds); text != "" {
		n = parseSeed(t, shiftSeeds, text)
	}
	if text := os.Getenv(shiftSeed); text != "" {
		first, n = parseSeed(t, shiftSeed, text), 1
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("repeat it: %s=%d", shiftSeed, seed)
				}
			})
			test(t, seed)
		})
	}
}

func parseSeed(t *testing.T, name, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// shift is a rig whose shop does not stand still.
type shift struct {
	*rig

	calm        bool         // nothing happens to workers, either
	still       bool         // nothing changes by itself
	lossy       bool         // webhooks are lost
	swaps       bool         // webhooks overtake each other
	rate        int          // a record changes once in so many ticks
	stop        int          // the tick of the last change; 0: when the run ends
	afterFinish int          // ticks from the first finish on; 0: see stop
	lost        []store.Task // whose worker died

	mu        sync.Mutex // guards what follows: calls tick, too
	rand      *rand.Rand
	trapped   func() error // what the next call meets, once
	tick      int
	ended     bool // the run
	began     int  // the tick at which finish began
	webhooks  []*webhook
	changes   []change
	compared  int            // changes when the last comparison of lists began
	comparing bool           // that is what was taken last
	coming    map[string]int // records that were in the shop and not here then, or came to it meanwhile
	hot       map[string][]int64
	ever      map[string]map[int64]bool
}

// webhook is one delivery on its way.
type webhook struct {
	event           sandbox.Event
	arrives, worked int       // ticks
	received        time.Time // by the database's clock; zero until it arrived
}

// change is one act on a record. A silent one has no webhook.
type change struct {
	resource string
	id       int64
	silent   bool
	act      string // the event that tells of it
	tick     int
}

var errCrash = errors.New("the worker died")

func newShift(t *testing.T, seed uint64) *shift {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0x5817)) //nolint:gosec // chances that can be repeated
	s := &shift{
		rig: newRig(t, sandbox.StoreSpec{
			Customers: 15 + rnd.IntN(20), Products: 10 + rnd.IntN(20), Orders: 25 + rnd.IntN(35) + 70*int(seed%5/4), Carts: 8 + rnd.IntN(15),
		}),
		rand: rnd, rate: 5, swaps: rnd.IntN(2) == 0, hot: map[string][]int64{}, ever: map[string]map[int64]bool{},
		coming: map[string]int{},
	}
	s.PerPage, s.Ahead, s.Details, s.Window = 7, 1+rnd.IntN(3), 9, 5+rnd.IntN(30)
	for _, resource := range shifting() {
		s.ever[resource] = map[int64]bool{}
		for _, id := range s.shop.SourceIDs(shop, resource) {
			s.ever[resource][id] = true
		}
	}
	s.access.hook(func(budget.Class) error {
		s.happen()
		if trap := s.trap(nil); trap != nil {
			return trap()
		}
		return nil
	})
	s.access.then(s.happen)
	return s
}

// trap sets what the next call meets, and returns what was set before.
func (s *shift) trap(next func() error) func() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.trapped
	s.trapped = next
	return was
}

func shifting() []string {
	return []string{tenantdb.Customers, tenantdb.Products, tenantdb.Orders, tenantdb.Carts}
}

// forget begins a new account of what changes.
func (s *shift) forget() {
	s.changes, s.compared, s.ended, s.began = nil, 0, false, 0
}

func (s *shift) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(n)
}

// happen lets one moment pass: something may change in the shop, webhooks arrive
// and are worked on.
func (s *shift) happen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick++
	if s.moving() && s.rand.IntN(s.rate) == 0 {
		for range 1 + s.rand.IntN(3) {
			s.mutate()
		}
	}
	s.deliver()
}

func (s *shift) moving() bool {
	switch {
	case s.still, s.ended, len(s.changes) > 110, s.stop > 0 && s.tick >= s.stop:
		return false
	case s.afterFinish > 0:
		return s.began == 0 || s.tick < s.began+s.afterFinish
	}
	return true
}

// deliver works on the webhooks that are due.
func (s *shift) deliver() {
	waiting := s.webhooks[:0:0]
	for _, w := range s.webhooks {
		if w.received.IsZero() && w.arrives <= s.tick {
			now, err := s.DB.Clock(s.t.Context())
			if err != nil {
				s.t.Error(err)
			}
			w.received = now
		}
		if w.worked > s.tick {
			waiting = append(waiting, w)
			continue
		}
		if err := s.apply(w); err != nil {
			s.t.Errorf("apply %s: %v", w.event.Event, err)
		}
	}
	s.webhooks = waiting
}

func (s *shift) apply(w *webhook) error {
	ev, err := liveEvent(s.tenant, w.event, w.received)
	if err != nil {
		return err
	}
	wants, err := s.ApplyEvent(s.t.Context(), ev)
	if err != nil {
		return err
	}
	_, err = s.DB.WantReads(s.t.Context(), s.tenant, wants)
	return err
}

// mutate changes one record of the shop.
func (s *shift) mutate() {
	resource := shifting()[s.rand.IntN(4)]
	id := s.some(resource)
	acts := map[string][]func() (sandbox.Change, error){
		tenantdb.Customers: {
			func() (sandbox.Change, error) { return s.shop.CreateCustomer(shop) },
			func() (sandbox.Change, error) { return s.shop.UpdateCustomer(shop, id) },
			func() (sandbox.Change, error) { return s.shop.DeleteCustomer(shop, id) },
		},
		tenantdb.Products: {
			func() (sandbox.Change, error) { return s.shop.CreateProduct(shop) },
			func() (sandbox.Change, error) { return s.shop.UpdateProduct(shop, id) },
			func() (sandbox.Change, error) { return s.shop.ChangePrice(shop, id, 0) },
			func() (sandbox.Change, error) { return s.shop.DeleteProduct(shop, id) },
		},
		tenantdb.Orders: {
			func() (sandbox.Change, error) { return s.shop.CreateOrder(shop) },
			func() (sandbox.Change, error) { return s.shop.UpdateOrderStatus(shop, id, s.status()) },
			func() (sandbox.Change, error) { return s.shop.ReviseOrder(shop, id) },
			func() (sandbox.Change, error) { return s.shop.DeleteOrder(shop, id) },
		},
		tenantdb.Carts: {
			func() (sandbox.Change, error) { return s.shop.AbandonCart(shop) },
			func() (sandbox.Change, error) { return s.shop.UpdateCart(shop, id) },
			func() (sandbox.Change, error) { return s.shop.PurchaseCart(shop, id) },
			func() (sandbox.Change, error) { return s.shop.LeaveCart(shop, id) },
			func() (sandbox.Change, error) { return s.shop.RemoveCart(shop, id) },
		},
	}[resource]
	n := s.rand.IntN(len(acts))
	if id == 0 {
		n = 0
	}
	c, err := acts[n]()
	if err != nil {
		s.t.Errorf("change one of %s: %v", resource, err)
		return
	}
	if s.comparing && !s.ever[resource][c.ID] {
		s.coming[resource]++
	}
	s.ever[resource][c.ID] = true
	s.hot[resource] = append(s.hot[resource], c.ID)
	made := change{resource: resource, id: c.ID, silent: len(c.Events) == 0, tick: s.tick}
	if !made.silent {
		made.act = c.Events[0].Event
	}
	s.changes = append(s.changes, made)
	if s.lossy {
		return
	}
	for _, e := range c.Events {
		for range 1 + s.rand.IntN(10)/9 { // sometimes twice
			s.send(e)
		}
	}
}

// send puts a webhook on its way.
func (s *shift) send(e sandbox.Event) {
	w := &webhook{event: e, arrives: s.tick + s.rand.IntN(12)}
	w.worked = w.arrives + s.rand.IntN(1+s.rand.IntN(30))
	if n := len(s.webhooks); !s.swaps && n > 0 {
		w.arrives = max(w.arrives, s.webhooks[n-1].arrives)
		w.worked = max(w.worked, s.webhooks[n-1].worked)
	}
	s.webhooks = append(s.webhooks, w)
}

// some picks a record of a list, often one that changed before; 0 if there is none.
func (s *shift) some(resource string) int64 {
	ids := s.shop.SourceIDs(shop, resource)
	if len(ids) == 0 {
		return 0
	}
	if hot := s.hot[resource]; len(hot) > 0 && s.rand.IntN(3) == 0 {
		if id := hot[s.rand.IntN(len(hot))]; slices.Contains(ids, id) {
			return id
		}
	}
	return ids[s.rand.IntN(len(ids))]
}

func (s *shift) status() string {
	return []string{"under_review", "in_progress", "completed", "delivering", "delivered", "shipped", "canceled", "restored"}[s.rand.IntN(8)]
}

// work runs everything to its end, in any order and with losses.
func (s *shift) work() {
	s.t.Helper()
	for range 3000 {
		due := s.next()
		if len(due) == 0 || s.roll(4) == 0 {
			s.recover()
		}
		s.happen()
		if len(due) == 0 && len(s.lost) == 0 {
			s.mu.Lock()
			run := s.last()
			s.ended = run.Status != "running" && run.Status != "waiting" && run.Status != "pending"
			over := s.ended && len(s.webhooks) == 0
			s.mu.Unlock()
			if over && len(s.due()) == 0 {
				return
			}
			continue
		}
		s.mu.Lock()
		s.rand.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
		s.mu.Unlock()
		for len(due) > 0 {
			n := 1
			if s.roll(3) == 0 {
				n = min(len(due), 3)
			}
			s.do(due[:n])
			due = due[n:]
		}
	}
	s.t.Fatal("the work has no end")
}

// do does one task, perhaps with a worker that is lost, or up to three at once.
func (s *shift) do(tasks []store.Task) {
	s.t.Helper()
	var leases []store.Lease
	for _, task := range tasks {
		if l, ok := s.takeNoted(task); ok {
			leases = append(leases, l)
		}
	}
	if len(leases) == 1 {
		s.one(leases[0])
		return
	}
	errs := make([]error, len(leases))
	var group sync.WaitGroup
	for i, l := range leases {
		group.Go(func() { errs[i] = s.handle(l) })
	}
	group.Wait()
	for i, l := range leases {
		s.settle(l, errs[i])
	}
}

// takeNoted takes a task, and notes when the lists begin to be compared.
func (s *shift) takeNoted(task store.Task) (store.Lease, bool) {
	s.t.Helper()
	comparing := task.Kind == store.KindImportFinish && s.last().ListsDoneAt == nil
	s.mu.Lock()
	s.comparing = comparing
	s.mu.Unlock()
	if comparing {
		s.mu.Lock()
		s.compared = len(s.changes)
		for _, resource := range silent() {
			s.coming[resource] = 0
			stored := s.tenantRows(storedValues()[resource])
			for _, id := range s.shop.SourceIDs(shop, resource) {
				if _, ok := stored[strconv.FormatInt(id, 10)]; !ok {
					s.coming[resource]++
				}
			}
		}
		if s.began == 0 {
			s.began = s.tick
		}
		s.mu.Unlock()
	}
	return s.take(task)
}

// one does one task whose worker may be lost before or after it has committed, or
// stall until another has taken over.
func (s *shift) one(l store.Lease) {
	s.t.Helper()
	table := map[string]string{
		store.KindImportStart: "runs", store.KindImportFinish: "runs", store.KindImportPage: "pages", store.KindEntityRead: "entity_reads",
	}[l.Kind]
	over := func() {
		s.exec(`UPDATE `+table+` SET holder = NULL, lease_until = now() - interval '1 second' WHERE id = $1`, l.ID)
	}
	fate := s.roll(12)
	if s.calm {
		fate = 11
	}
	lost, task := false, store.Task{Kind: l.Kind, ID: l.ID, Epoch: l.Epoch}
	switch fate {
	case 0: // before its commit
		s.trap(func() error { return errCrash })
	case 1: // after its commit in the tenant's database
		s.trap(func() error { lost = true; over(); return nil })
	case 2: // it wakes when another has done its work
		s.trap(func() error {
			over()
			if other, ok := s.take(task); ok {
				s.settle(other, s.handle(other))
			}
			return nil
		})
	}
	err := s.handle(l)
	s.trap(nil)
	switch {
	case errors.Is(err, errCrash):
		over()
		lost = true
	case !lost:
		s.settle(l, err)
	}
	if lost {
		s.lost = append(s.lost, task)
	}
}

// recover gives the work of lost workers to others, with its epoch or a new one.
func (s *shift) recover() {
	s.t.Helper()
	for _, task := range s.lost {
		if s.roll(2) == 0 {
			if l, ok := s.takeNoted(task); ok {
				s.settle(l, s.handle(l))
			}
			continue
		}
		if _, _, err := s.DB.Heal(s.t.Context(), task, "its worker died"); err != nil {
			s.t.Fatal(err)
		}
	}
	s.lost = nil
}

// check compares all lists with the shop.
func (s *shift) check() {
	s.t.Helper()
	run := s.last()
	reason := ""
	if run.Reason != nil {
		reason = *run.Reason
	}
	if run.Status != "complete" && run.Status != "incomplete" || len(s.dead) > 0 {
		s.t.Fatalf("the run is %s: %s; dead letters %q", run.Status, reason, s.dead)
	}
	s.t.Logf("%s after %d changes, %d ticks: %s", run.Status, len(s.changes), s.tick, reason)
	for _, resource := range shifting() {
		if !slices.Contains(run.Resources, resource) {
			continue
		}
		named := regexp.MustCompile(`\b` + resource + `\b`).MatchString(reason)
		diff := s.differences(resource)
		shifted := slices.ContainsFunc(s.changes, func(c change) bool { return c.resource == resource })
		switch {
		case len(diff) > 0 && (run.Status != "incomplete" || !named):
			s.t.Errorf("%s differ, and the run, %s, does not say so:\n%s\n%s", resource, run.Status, diff, s.account(run.ID, resource))
		case len(diff) == 0 && named && !shifted:
			s.t.Errorf("%s are equal and did not change, and the run names them: %s", resource, reason)
		}
		if got := totals(run, resource); got[0]+got[1]+got[2] > int64(len(s.ever[resource])) {
			s.t.Errorf("%s: %v records are counted, there were never more than %d", resource, got, len(s.ever[resource]))
		}
	}
	if run.Status == "complete" {
		for id, detail := range s.tenantRows(`
			SELECT order_id, (source_detail IS NOT NULL)::text FROM salla_orders WHERE deleted_at IS NULL`) {
			if detail != "true" {
				s.t.Errorf("order %s has no detail, and the run is complete", id)
			}
		}
	}
}

// silent are the lists whose records go without a webhook.
func silent() []string { return []string{tenantdb.Customers, tenantdb.Carts} }

// differences tells, record by record, how the tenant's database differs from the
// shop. Where a record went without a webhook after the lists were last compared,
// nobody can know of it yet; nor where it went before and there was another one in its
// place, of which the webhook was still on its way: the numbers were equal.
func (s *shift) differences(resource string) []string {
	s.t.Helper()
	late, earlier := map[string]bool{}, map[string]bool{}
	for i, c := range s.changes {
		switch {
		case !c.silent || c.resource != resource:
		case i >= s.compared:
			late[strconv.FormatInt(c.id, 10)] = true
		default:
			earlier[strconv.FormatInt(c.id, 10)] = true
		}
	}
	replaced := s.coming[resource]
	source, stored := s.source(resource), s.tenantRows(storedValues()[resource])
	var diff []string
	for _, id := range slices.Sorted(maps.Keys(source)) {
		switch got, ok := stored[id]; {
		case !ok:
			diff = append(diff, fmt.Sprintf("  %s is missing (%s)", id, s.history(resource, id)))
		case got != source[id]:
			diff = append(diff, fmt.Sprintf("  %s is %q, want %q (%s)", id, got, source[id], s.history(resource, id)))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(stored)) {
		_, ok := source[id]
		switch {
		case ok, late[id]:
		case earlier[id] && replaced > 0:
			replaced--
		default:
			diff = append(diff, fmt.Sprintf("  %s is not in the shop (%s)", id, s.history(resource, id)))
		}
	}
	return diff
}

// account tells how a list was read, and all that changed in it.
func (s *shift) account(run uuid.UUID, resource string) string {
	s.t.Helper()
	streams, err := s.DB.Streams(s.t.Context(), run)
	if err != nil {
		s.t.Fatal(err)
	}
	said := func(n *int64) string {
		if n == nil {
			return "?"
		}
		return strconv.FormatInt(*n, 10)
	}
	var b strings.Builder
	for _, st := range streams {
		if st.Resource == resource {
			fmt.Fprintf(&b, "  pass %d (again %t, until known %t): %s, %d pages, total %s (%s to %s), then %s; %d imported, %d unchanged\n",
				st.Pass, st.Again, st.UntilKnown, st.Status, st.Pages, said(st.TotalBefore), said(st.TotalLow), said(st.TotalHigh),
				said(st.TotalAfter), st.Imported, st.Unchanged)
		}
	}
	for i, c := range s.changes {
		if c.resource == resource {
			fmt.Fprintf(&b, "  change %d, at tick %d: %d %s, silent %t\n", i, c.tick, c.id, c.act, c.silent)
		}
	}
	return b.String()
}

// history tells when a record changed.
func (s *shift) history(resource, id string) string {
	text := ""
	for i, c := range s.changes {
		if c.resource == resource && strconv.FormatInt(c.id, 10) == id {
			text += fmt.Sprintf(" change %d", i)
			if c.silent {
				text += " silent"
			}
		}
	}
	return fmt.Sprintf("of %d changes, %d before the comparison:%s", len(s.changes), s.compared, text)
}
