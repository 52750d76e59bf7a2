package imports_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// keep puts rejects there as an import would have, and returns its run.
func (r *rig) keep(rejects ...tenantdb.Reject) uuid.UUID {
	r.t.Helper()
	ref := tenantdb.PageRef{Stream: uuid.New(), Run: uuid.New(), Resource: tenantdb.Products, Pass: 1, PerPage: 60, Seq: 1}
	p, err := r.tdb.OpenPage(r.t.Context(), ref)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range rejects {
		if rejects[i].Reason == "" {
			rejects[i].Reason = "an older version did not understand it"
		}
	}
	if _, err := r.tdb.CommitPage(r.t.Context(), tenantdb.PageCommit{Ref: p.Ref, Fence: p.Fence, Rejects: rejects}); err != nil {
		r.t.Fatal(err)
	}
	return ref.Run
}

// listed gives a list's documents by their ids.
func (r *rig) listed(resource salla.Resource) map[string]map[string]any {
	r.t.Helper()
	page, err := (&salla.Client{BaseURL: r.access.base, Token: r.access.token}).Page(r.t.Context(), resource, salla.PageQuery{Number: 1, PerPage: 60})
	if err != nil {
		r.t.Fatal(err)
	}
	found := map[string]map[string]any{}
	for _, raw := range page.Records {
		doc := map[string]any{}
		if err := json.Unmarshal(raw, &doc); err != nil {
			r.t.Fatal(err)
		}
		found[fmt.Sprintf("%.0f", doc["id"])] = doc
	}
	return found
}

func (r *rig) redrive(f imports.RedriveFilter, limit int) imports.Redriven {
	r.t.Helper()
	done, _, err := r.Redrive(r.t.Context(), r.tenant, store.Actor{Name: "noura"}, f, limit)
	if err != nil {
		r.t.Fatal(err)
	}
	return done
}

// openRejects gives the open rejects of runs: resource, id and reason.
func (r *rig) openRejects(runs ...uuid.UUID) string {
	r.t.Helper()
	var found []tenantdb.StoredReject
	for _, run := range runs {
		some, err := r.tdb.Rejects(r.t.Context(), tenantdb.RejectFilter{Open: true, Run: run})
		if err != nil {
			r.t.Fatal(err)
		}
		found = append(found, some...)
	}
	var list []string
	for _, one := range found {
		id := "no id"
		if one.SourceID != nil {
			id = *one.SourceID
		}
		list = append(list, one.Resource+" "+id+": "+one.Reason)
	}
	return strings.Join(list, "; ")
}

func record(t *testing.T, doc map[string]any, id any, change map[string]any) []byte {
	t.Helper()
	whole := map[string]any{}
	for k, v := range doc {
		whole[k] = v
	}
	whole["id"] = id
	for k, v := range change {
		whole[k] = v
	}
	raw, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestRejectsAreRedriven(t *testing.T) {
	t.Parallel()
	r := filled(t)
	products, orders := r.listed(salla.Products), r.listed(salla.Orders)
	ids, orderIDs := r.ids(salla.Products), r.ids(salla.Orders)
	known, buried, order := ids[0], ids[1], orderIDs[0]
	now, err := r.DB.Clock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.tdb.Tombstone(t.Context(), tenantdb.Products, buried, tenantdb.TombstoneOrder{ReadAt: now, FromRead: true}); err != nil {
		t.Fatal(err)
	}
	run := r.keep(
		tenantdb.Reject{Resource: "products", SourceID: "990001", Record: record(t, products[known], 990001, map[string]any{"name": "mended"})},
		tenantdb.Reject{Resource: "products", SourceID: known, Record: record(t, products[known], json.Number(known), map[string]any{"name": "of before"})},
		tenantdb.Reject{Resource: "products", SourceID: buried, Record: record(t, products[buried], json.Number(buried), nil)},
		tenantdb.Reject{Resource: "orders", SourceID: "990002", Field: "placed_at", Record: record(t, orders[order], 990002, map[string]any{"date": nil})},
		tenantdb.Reject{Resource: "products", Field: "id", Record: []byte(`{"name":"nobody's"}`)},
		tenantdb.Reject{Resource: "order_details", SourceID: order, Record: []byte("null"), Reason: "the order cannot be read: 500"},
	)
	other := r.keep(tenantdb.Reject{Resource: "carts", SourceID: "7", Record: []byte(`[]`)})

	trial, err := r.TryRedrive(t.Context(), r.tenant, imports.RedriveFilter{Run: run})
	if err != nil || trial.Chosen != 6 || trial.Looked != 6 || trial.Understood != 3 || len(trial.Still) != 3 || trial.Asked != 4 {
		t.Errorf("trial = %+v, %v", trial, err)
	}
	if got := r.value(`SELECT count(*) FROM entity_reads WHERE state <> 'done'`); got != "0" {
		t.Errorf("a trial wanted %s reads", got)
	}
	made := r.access.made()

	done := r.redrive(imports.RedriveFilter{Run: run}, 0)

	if done.Tried != 6 || done.Stored != 1 || done.Overtaken != 2 || done.Rejected() != 3 || done.Asked != 4 || done.Left != 0 || done.Next != uuid.Nil {
		t.Errorf("done = %+v", done)
	}
	if r.access.made() != made {
		t.Error("re-driving called Salla by itself")
	}
	if _, row := r.stored("products", "990001"); row["name"] != "mended" {
		t.Errorf("stored %v, want the kept record", row["name"])
	}
	if _, row := r.stored("products", known); row["name"] == "of before" {
		t.Error("what is newer was overwritten")
	}
	if s, _ := r.stored("products", buried); s.DeletedAt == nil {
		t.Error("a tombstone was lifted by what was kept")
	}
	for _, want := range []string{"orders 990002: ", "products no id: ", "order_details " + order + ": the order cannot be read: 500", "carts 7: "} {
		if got := r.openRejects(run, other); !strings.Contains(got, want) || strings.Contains(got, "990001") {
			t.Errorf("open: %s; want %q among them", got, want)
		}
	}
	if got := r.openRejects(run, other); strings.Contains(got, "990002: an older version") || !strings.Contains(got, "carts 7: an older version") {
		t.Errorf("open: %s; want the newest reason of what was tried", got)
	}
	audit := r.value(`SELECT actor || ' ' || (details->'filter'->>'run') || ' ' || (details->>'stored') || ' ' || (details->>'still_rejected') FROM audit WHERE act = 'rejects.redrive'`)
	if audit != "noura "+run.String()+" 1 3" {
		t.Errorf("audit = %s", audit)
	}

	r.work() // the reads: what the source has, and what it does not have
	if got := r.openRejects(run, other); strings.Count(got, ":") != 2 || !strings.Contains(got, "carts 7") || !strings.Contains(got, "no id") {
		t.Errorf("open after the reads: %s; want only what was not asked for", got)
	}
	if s, _ := r.stored("products", buried); s.DeletedAt != nil {
		t.Error("a read begun after the tombstone did not lift it")
	}
	if s, _ := r.stored("orders", "990002"); s.DeletedAt == nil {
		t.Error("what the source does not have is no tombstone")
	}
	if len(r.dead) > 0 {
		t.Errorf("dead letters: %q", r.dead)
	}
}

func TestRedriveGoesOnAndIsNarrowed(t *testing.T) {
	t.Parallel()
	r := filled(t)
	product := r.listed(salla.Products)[r.ids(salla.Products)[0]]
	var rejects []tenantdb.Reject
	for i := range 7 {
		id := 990_000 + i
		rejects = append(rejects, tenantdb.Reject{
			Resource: "products", SourceID: fmt.Sprint(id), Field: "price.amount", Reason: fmt.Sprintf(`the price is "%d?"`, i),
			Record: record(t, product, id, nil),
		})
	}
	rejects = append(rejects, tenantdb.Reject{Resource: "products", Record: []byte(`"text"`)})
	run := r.keep(rejects...)

	tried := 0
	for f := (imports.RedriveFilter{Reason: `the price is "…"`, Field: "price.amount", Resource: "products"}); ; {
		done := r.redrive(f, 3)
		tried += done.Tried
		if done.Tried > 3 || done.Left != 7-tried || (done.Next == uuid.Nil) != (done.Left == 0) {
			t.Fatalf("done = %+v after %d", done, tried)
		}
		if f.After = done.Next; f.After == uuid.Nil {
			break
		}
	}
	if tried != 7 || !strings.HasPrefix(r.openRejects(run), "products no id: ") {
		t.Errorf("%d tried, open: %s", tried, r.openRejects(run))
	}
	if done := r.redrive(imports.RedriveFilter{IDs: []uuid.UUID{uuid.New()}}, 0); done.Tried != 0 {
		t.Errorf("an id of nobody: %+v", done)
	}
}

// Mapping needs no grant; the reads wait for one. A suspended tenant's database
// takes no logins.
func TestRedriveOfATenantThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	r := filled(t)
	id := r.ids(salla.Products)[0]
	r.exec(`UPDATE tenants SET merchant = NULL`)
	r.exec(`DELETE FROM connections`)
	run := r.keep(
		tenantdb.Reject{Resource: "products", SourceID: "990001", Record: record(t, r.listed(salla.Products)[id], 990001, nil)},
		tenantdb.Reject{Resource: "orders", SourceID: "990002", Record: []byte(`{"id":990002}`)},
	)
	if done := r.redrive(imports.RedriveFilter{Run: run}, 0); done.Stored != 1 || done.Asked != 1 {
		t.Errorf("done = %+v", done)
	}
	for _, task := range r.due() {
		r.step(task)
	}
	if got := r.value(`SELECT state FROM entity_reads WHERE entity = '990002'`); got == "done" || got == "failed" {
		t.Errorf("the read is %s, want it to wait", got)
	}
	r.exec(`UPDATE tenants SET status = 'suspended', suspended_by = 'operator', resume_status = 'ready'`)
	_, _, err := r.Redrive(t.Context(), r.tenant, store.Actor{Name: "noura"}, imports.RedriveFilter{}, 0)
	if !errors.Is(err, fault.Conflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	if _, err := r.TryRedrive(t.Context(), uuid.New(), imports.RedriveFilter{}); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v, want not found", err)
	}
}

// Re-drives of the same rejects beside an import of the same records end with what
// the source has, each record once.
func TestRedrivesBesideAnImport(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 150})
	r.open()
	r.work()
	r.wantComplete()
	customers := r.listed(salla.Customers) // the first page of three
	var rejects []tenantdb.Reject
	for id, doc := range customers {
		rejects = append(rejects, tenantdb.Reject{
			Resource: "customers", SourceID: id, Record: record(t, doc, json.Number(id), map[string]any{"first_name": "of before"}),
		})
	}
	run := r.keep(rejects...)
	var group sync.WaitGroup
	var mu sync.Mutex
	tried := 0
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	for range 2 {
		group.Go(func() {
			defer begin()
			f := imports.RedriveFilter{Run: run}
			for {
				done, _, err := r.Redrive(t.Context(), r.tenant, store.Actor{Name: "noura"}, f, 4)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				tried += done.Tried
				mu.Unlock()
				begin()
				if f.After = done.Next; f.After == uuid.Nil {
					return
				}
			}
		})
	}
	<-begun
	r.manual(nil, tenantdb.Customers)
	r.work()
	group.Wait()
	r.work() // the reads that they wanted at the end
	if tried == 0 || tried > len(customers) || r.openRejects(run) != "" {
		t.Errorf("%d of %d were tried; open: %q", tried, len(customers), r.openRejects(run))
	}
	r.wantComplete()
	r.wantSame(salla.Customers)
	for id := range customers {
		if _, row := r.stored("customers", id); row["first_name"] == "of before" {
			t.Errorf("customer %s is as it was before", id)
		}
	}
}
