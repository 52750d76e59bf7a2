package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/tenantdb"
)

// drawer is a shelf whose rejects can be re-driven.
func drawer(t *testing.T, name string) *shelf {
	t.Helper()
	x := newShelf(t, name)
	x.s.Imports = &imports.Importer{DB: x.s.DB, Open: x.s.OpenTenant, Log: x.s.Log}
	return x
}

// reject puts rejects there that came with one import, and returns it.
func (x *shelf) reject(rejects ...tenantdb.Reject) uuid.UUID {
	x.t.Helper()
	s := tenantdb.ProductList()
	ref := tenantdb.PageRef{Stream: uuid.New(), Run: uuid.New(), Resource: s.Resource, Pass: 1, PerPage: 60, Seq: 1}
	p, err := x.db.OpenPage(x.t.Context(), ref)
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := x.db.CommitPage(x.t.Context(), tenantdb.PageCommit{Ref: p.Ref, Fence: p.Fence, Rejects: rejects}); err != nil {
		x.t.Fatal(err)
	}
	return ref.Run
}

// mended is a product whose record is understood now.
func mended(id int) tenantdb.Reject {
	return tenantdb.Reject{
		Resource: tenantdb.Products, SourceID: fmt.Sprint(id), Field: "price.amount", Reason: fmt.Sprintf(`the product's price is "%d?"`, id),
		Record: fmt.Appendf(nil, `{"id":%d,"name":"عطر","status":"sale","price":{"amount":350,"currency":"SAR"}}`, id),
	}
}

// dateless is an order that is refused whatever happens.
func dateless(id int) tenantdb.Reject {
	return tenantdb.Reject{
		Resource: tenantdb.Orders, SourceID: fmt.Sprint(id), Field: "date", Reason: "the order's date is missing",
		Record: fmt.Appendf(nil, `{"id":%d,"date":null,"status":{"slug":"completed"},"note":%q}`, id, evil),
	}
}

// act posts a form and returns where it leads, and what the page says then.
func (x *shelf) act(path string, fields url.Values) (to, said string) {
	x.t.Helper()
	a := x.send(http.MethodPost, path, fields.Encode(), map[string]string{"Cookie": x.cookie, "Content-Type": "application/x-www-form-urlencoded"})
	if a.Code != http.StatusSeeOther {
		x.t.Fatalf("POST %s: status %d, want 303: %s", path, a.Code, a.Body)
	}
	return a.Header.Get("Location"), x.flash(a)
}

// flash is the notice that an act leaves for the page after it.
func (x *shelf) flash(a answer) string {
	x.t.Helper()
	r := http.Request{Header: http.Header{"Cookie": a.Header.Values("Set-Cookie")}}
	for _, n := range flashOf(&r) {
		return n.Text + " " + n.Link
	}
	return ""
}

func TestRejectsByAPI(t *testing.T) {
	t.Parallel()
	x := drawer(t, "Palm")
	doc := openAPI(t)
	run := x.reject(mended(1), mended(2), mended(3), dateless(8))
	x.reject(tenantdb.Reject{Resource: tenantdb.Customers, Reason: "it is cut", Record: []byte(`{"id":`)})
	path := "/tenants/" + x.id.String() + "/rejects"
	type list struct {
		Data []Reject
		Next *string
	}

	a := x.api(http.StatusOK, http.MethodGet, path, "")
	doc.check("RejectList", a.Body)
	var all list
	x.read(a, &all)
	if len(all.Data) != 5 || all.Next != nil || strings.Contains(string(a.Body), "slug") {
		t.Fatalf("rejects = %s, want five, without records", a.Body)
	}
	for query, want := range map[string]int{
		"resource=products": 3, "run=" + run.String(): 4, "field=date": 1, "field=-": 1, "limit=2": 2, "open=false": 5, "resource=carts": 0,
		"reason=" + url.QueryEscape(`the product's price is "0?"`): 3, "run=" + uuid.NewString(): 0,
	} {
		var found list
		x.read(x.api(http.StatusOK, http.MethodGet, path+"?"+query, ""), &found)
		if len(found.Data) != want {
			t.Errorf("%s: %d rejects, want %d", query, len(found.Data), want)
		}
	}
	seen := 0
	for next := path + "?limit=2"; next != ""; seen++ {
		var found list
		x.read(x.api(http.StatusOK, http.MethodGet, next, ""), &found)
		if next = ""; found.Next != nil {
			next = path + "?limit=2&cursor=" + *found.Next
		}
	}
	if seen != 3 {
		t.Errorf("%d pages, want 3", seen)
	}
	var records []any
	for _, r := range all.Data {
		a := x.api(http.StatusOK, http.MethodGet, path+"/"+r.ID.String(), "")
		doc.check("Reject", a.Body)
		var one wholeReject
		x.read(a, &one)
		records = append(records, one.Record)
	}
	if _, isDoc := records[1].(map[string]any); !isDoc || records[0] != `{"id":` {
		t.Errorf("records = %v, want text where it does not parse, and JSON", records[:2])
	}
	for query, status := range map[string]int{
		"resource=x": 422, "run=x": 400, "open=x": 422, "cursor=x": 400, "limit=0": 422, "field=%00": 400, "reason=" + strings.Repeat("x", 1001): 422,
	} {
		x.api(status, http.MethodGet, path+"?"+query, "")
	}
	x.api(http.StatusNotFound, http.MethodGet, path+"/"+uuid.NewString(), "")
	x.api(http.StatusNotFound, http.MethodGet, "/tenants/"+uuid.NewString()+"/rejects", "")

	for body, status := range map[string]int{
		`{"ids":["x"]}`: 400, `{"ids":[]}`: 422, `{"run":"x"}`: 400, `{"resource":"x"}`: 422, `{"cursor":"x"}`: 400, `{"nothing":1}`: 400, `{"dry_run":"x"}`: 400,
	} {
		x.api(status, http.MethodPost, path+"/redrive", body)
	}
	x.api(http.StatusNotFound, http.MethodPost, "/tenants/"+uuid.NewString()+"/rejects/redrive", "{}")
	if a := x.send(http.MethodPost, "/api/admin/v1"+path+"/redrive", "{}", nil); a.Code != http.StatusUnauthorized {
		t.Errorf("without a key: %d, want 401", a.Code)
	}

	a = x.api(http.StatusOK, http.MethodPost, path+"/redrive", `{"dry_run":true}`)
	doc.check("RejectTrial", a.Body)
	var trial Trial
	x.read(a, &trial)
	if trial.WouldRedrive != 5 || trial.LookedAt != 5 || trial.Understood != 3 || trial.AskedAgain != 1 || len(trial.StillRejected) != 2 {
		t.Errorf("trial = %s", a.Body)
	}
	if n := one[int](x.site, `SELECT count(*) FROM audit`); n != 0 {
		t.Errorf("a trial left %d lines in the audit", n)
	}
	a = x.api(http.StatusAccepted, http.MethodPost, path+"/redrive", `{"resource":"products","reason":"the product's price is \"…\""}`)
	doc.check("Redriven", a.Body)
	if got := strings.TrimSpace(string(a.Body)); got != `{"tried":3,"stored":3,"unchanged":0,"overtaken":0,"still_rejected":[],"asked_again":0,"left":0,"next":null}` {
		t.Errorf("re-driven: %s", got)
	}
	a = x.api(http.StatusAccepted, http.MethodPost, path+"/redrive", "")
	doc.check("Redriven", a.Body)
	var done Redriven
	x.read(a, &done)
	if done.Tried != 2 || done.Stored != 0 || done.AskedAgain != 1 || len(done.StillRejected) != 2 {
		t.Errorf("re-driven: %s", a.Body)
	}
	if got := one[string](x.site, `SELECT string_agg(actor || ' ' || (details->>'tried') || ' ' || coalesce(details->'filter'->>'resource', 'all') || ' ' || tenant_id, ', ' ORDER BY id) FROM audit WHERE act = 'rejects.redrive'`); got != fmt.Sprintf("api key 3 products %s, api key 2 all %[1]s", x.id) {
		t.Errorf("audit = %q", got)
	}
	if n := one[int](x.site, `SELECT count(*) FROM entity_reads WHERE resource = 'orders' AND entity = '8'`); n != 1 {
		t.Errorf("%d reads are wanted, want that of the order", n)
	}

	x.exec(`UPDATE tenants SET status = 'suspended', suspended_by = 'operator', resume_status = 'ready'`)
	for method, to := range map[string]string{http.MethodGet: path, http.MethodPost: path + "/redrive"} {
		if a := x.api(http.StatusConflict, method, to, ""); !strings.Contains(string(a.Body), "suspended") {
			t.Errorf("%s of a suspended store: %s", method, a.Body)
		}
	}
}

// What is wrong stands in groups above the records; each group, and all of a list,
// is re-driven after a page that says what would happen, and one at once.
func TestRejectsAreRedrivenFromTheConsole(t *testing.T) {
	t.Parallel()
	x := drawer(t, "متجر "+evil)
	x.reject(mended(1), mended(2), mended(3), dateless(8), dateless(9))
	path := tenantHref(x.id) + "/rejects"

	page := x.page(http.StatusOK, path)
	groups := page.Find("#reject-groups tbody tr")
	if groups.Length() != 2 || !strings.HasPrefix(words(groups.First()), `products price.amount the product's price is "`) ||
		!strings.Contains(words(groups.First()), " 3 ") || !strings.HasPrefix(words(groups.Last()), "orders date the order's date is missing 2 ") {
		t.Errorf("groups: %q", words(groups))
	}
	if got := words(page.Find(".chips").First()); got != "open 5 products 3 orders 2 with those settled since" {
		t.Errorf("filters: %q", got)
	}
	if page.Find("#rejects tbody tr").Length() != 5 || page.Find("main script").Length() > 0 {
		t.Errorf("rows: %q", words(page.Find("#rejects tbody")))
	}
	narrowed := x.page(http.StatusOK, groups.First().Find("a.row").AttrOr("href", ""))
	if got := words(narrowed.Find(".chips").Last()); narrowed.Find("#rejects tbody tr").Length() != 3 || got != "price.amount ✕ one reason ✕" {
		t.Errorf("a group leads to %d rows, narrowed to %q", narrowed.Find("#rejects tbody tr").Length(), got)
	}

	form := groups.First().Find("form")
	query := url.Values{}
	for _, name := range []string{"resource", "field", "reason"} {
		query.Set(name, form.Find(`input[name="`+name+`"]`).AttrOr("value", ""))
	}
	asks := x.page(http.StatusOK, form.AttrOr("action", "")+"?"+query.Encode())
	if got := words(asks.Find(".confirm")); !strings.HasPrefix(got, "Re-drive 3 rejects? resource products field price.amount one reason: ") ||
		!strings.Contains(got, "3 can be mapped now") {
		t.Errorf("it asks: %q", got)
	}
	a := x.press(asks.Find(".confirm form"))
	if to := a.Header.Get("Location"); a.Code != http.StatusSeeOther || !strings.HasPrefix(to, path+"?") {
		t.Errorf("re-driven: %d to %s", a.Code, to)
	}
	if got := x.flash(a); !strings.HasPrefix(got, "3 rejects re-driven: 3 stored now.") {
		t.Errorf("it says %q", got)
	}
	left := x.page(http.StatusOK, path)
	if got := left.Find("#rejects tbody tr").Length(); got != 2 {
		t.Errorf("%d are open, want 2", got)
	}
	if got := words(left.Find("#reject-groups")); !strings.Contains(got, "date") || strings.Contains(got, "price") {
		t.Errorf("groups: %q", got)
	}
	x.page(http.StatusOK, tenantHref(x.id)+"/data/products/1")

	a = x.press(left.Find("#rejects tbody tr").First().Find("form"))
	if got := x.flash(a); !strings.HasPrefix(got, "Still rejected: ") || !strings.Contains(got, "1 record is read again at Salla") {
		t.Errorf("one that is still refused: %q", got)
	}
	if to := a.Header.Get("Location"); to != path {
		t.Errorf("it leads to %s, want back to the list", to)
	}
	if got := one[string](x.site, `SELECT actor FROM audit WHERE act = 'rejects.redrive' ORDER BY id DESC LIMIT 1`); got != deskOperator {
		t.Errorf("audit: %s", got)
	}
	if got := words(x.page(http.StatusOK, path+"/redrive?resource=carts").Find(".confirm")); !strings.HasPrefix(got, "Nothing is left to re-drive") {
		t.Errorf("nothing chosen: %q", got)
	}
	if all := x.page(http.StatusOK, path+"?state=all"); all.Find("#rejects tbody tr").Length() != 5 || !strings.Contains(words(all.Find("#rejects")), "settled") {
		t.Errorf("all: %q", words(all.Find("#rejects tbody")))
	}
	for _, bad := range []string{"?run=x", "?field=%00", "?cursor=x"} {
		x.page(http.StatusBadRequest, path+bad)
	}
	if a := x.send(http.MethodPost, path+"/redrive", "", nil); a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in") {
		t.Errorf("without a session: %d to %q", a.Code, a.Header.Get("Location"))
	}
}

func TestRejectIsShownBesideItsReason(t *testing.T) {
	t.Parallel()
	x := drawer(t, "Palm")
	order := dateless(8)
	order.Field = "order.date"
	x.reject(order)
	x.reject(tenantdb.Reject{Resource: tenantdb.OrderDetails, SourceID: "9", Reason: "the order cannot be read: 500", Record: []byte("null")})
	path := tenantHref(x.id) + "/rejects"
	found, err := x.db.Rejects(t.Context(), tenantdb.RejectFilter{})
	if err != nil || len(found) != 2 {
		t.Fatal(len(found), err)
	}

	page := x.page(http.StatusOK, path+"/"+found[1].ID.String())
	why := words(page.Find("#why"))
	for _, want := range []string{"the order's date is missing", "order.date", "an import", "Mended in Salla", "Re-drive"} {
		if !strings.Contains(why, want) {
			t.Errorf("the page says %q, want %q in it", why, want)
		}
	}
	if got := words(page.Find(".payload mark")); got != `"date"` || page.Find("main script").Length() > 0 {
		t.Errorf("marked: %q", got)
	}
	a := x.press(page.Find("#why form"))
	if to := a.Header.Get("Location"); a.Code != http.StatusSeeOther || to != path+"/"+found[1].ID.String() {
		t.Errorf("it leads to %s, want back to the page", to)
	}
	if got := words(x.page(http.StatusOK, path+"/"+found[0].ID.String()).Find("#why")); !strings.Contains(got, "there is no record yet") {
		t.Errorf("what could not be read: %q", got)
	}
	if err := x.db.SettleRejects(t.Context(), tenantdb.Orders, "8"); err != nil {
		t.Fatal(err)
	}
	if got := words(x.page(http.StatusOK, path+"/"+found[1].ID.String()).Find(".payload")); !strings.Contains(got, "No longer kept.") {
		t.Errorf("what is settled shows %q", got)
	}
	if a := x.api(http.StatusOK, http.MethodGet, "/tenants/"+x.id.String()+"/rejects/"+found[1].ID.String(), ""); !strings.Contains(string(a.Body), `"record":null`) {
		t.Errorf("what is settled is %s", a.Body)
	}
	x.exec(`UPDATE tenants SET status = 'suspended', suspended_by = 'operator', resume_status = 'ready'`)
	if to, said := x.act(path+"/redrive", url.Values{"id": {found[0].ID.String()}}); to != path || !strings.HasPrefix(said, "The store is suspended") {
		t.Errorf("suspended: to %s, %q", to, said)
	}
}

func TestWordsOfARedrive(t *testing.T) {
	t.Parallel()
	still := []tenantdb.RejectGroup{{Reason: "it has no id", Count: 1}, {Reason: "x", Count: 2}}
	tests := []struct {
		done imports.Redriven
		want string
	}{
		{imports.Redriven{}, "Nothing was left to re-drive: it is settled."},
		{imports.Redriven{Tried: 1, Stored: 1}, "1 reject re-driven: 1 stored now."},
		{imports.Redriven{Tried: 1, Still: still[:1]}, "Still rejected: it has no id."},
		{
			imports.Redriven{Tried: 5000, Stored: 4000, Unchanged: 900, Overtaken: 97, Still: still, Asked: 20, Left: 10_001, Next: uuid.New()},
			"5,000 rejects re-driven: 4,000 stored now, 900 stored as it is already, 97 overtaken by what is stored, 3 still rejected. " +
				"20 records are read again at Salla: what that stores is settled by itself. Left: more than 10,000.",
		},
	}
	for _, tt := range tests {
		if got := redriveWords(tt.done).Text; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	for path, want := range map[string]string{"": "", "date": "date", "items[3].quantity": "quantity", "amounts.total": "total", "a.list[0]": "list"} {
		if got := lastKey(path); got != want {
			t.Errorf("lastKey(%q) = %q, want %q", path, got, want)
		}
	}
	if raw, err := json.Marshal(imports.RedriveFilter{}); err != nil || string(raw) != "{}" {
		t.Errorf("the filter of all is %s in the audit, %v", raw, err)
	}
}
