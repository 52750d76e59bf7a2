package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/tenantdb"
)

// shelf is a tenant at a desk with a database of its own.
type shelf struct {
	*desk
	id      uuid.UUID
	db      *tenantdb.DB
	servers *tenantdb.Servers
	target  tenantdb.Target
}

func newShelf(t testing.TB, name string) *shelf {
	t.Helper()
	d := newDesk(t)
	servers, err := tenantdb.NewServers(t.Context(), []string{dbtest.AdminURL(t)}, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	server := servers.Names()[0]
	if _, err := servers.EnsureTemplate(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	id := d.store(name, 1234509876, "ready")
	role := tenantdb.Name(id)
	dbtest.Cleanup(t, []string{role}, []string{role})
	const password = "correct-horse-battery-staple"
	if err := servers.Create(t.Context(), server, role, role, password); err != nil {
		t.Fatal(err)
	}
	pools := tenantdb.NewPools(servers, 4, dbtest.Log(t))
	t.Cleanup(pools.Close)
	x := &shelf{desk: d, id: id, servers: servers, target: tenantdb.Target{Server: server, Database: role, Role: role, Password: password}}
	d.exec(`UPDATE tenants SET database_server = $2, database_name = $3, database_role = $3, model_version = 1 WHERE id = $1`, id, server, role)
	if x.db, err = pools.Open(t.Context(), x.target); err != nil {
		t.Fatal(err)
	}
	d.s.OpenTenant = func(ctx context.Context, _ uuid.UUID) (*tenantdb.DB, error) { return pools.Open(ctx, x.target) }
	return x
}

// fill stores people, products, orders and carts, and rejects two orders.
func (x *shelf) fill(people int) {
	x.t.Helper()
	base := time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second)
	var persons, orders []tenantdb.Record
	for i := range people {
		key := fmt.Sprint(7000 + i)
		persons = append(persons, tenantdb.Record{
			Key: key, Document: json.RawMessage(fmt.Sprintf(`{"id":%s,"first_name":"نورة","last_name":"العتيبي %d"}`, key, i)), ReadAt: base,
			Fields: map[string]any{
				"first_name": "نورة", "last_name": fmt.Sprintf("العتيبي %d", i), "email": fmt.Sprintf("Noura%d@example.com", i),
				"phone": fmt.Sprintf("+9665000%05d", i), "city": "الرياض",
			},
		})
		orders = append(orders, tenantdb.Record{
			Key: fmt.Sprint(91_000 + i), Document: json.RawMessage(fmt.Sprintf(`{"id":%d,"reference_id":%d,"note":%q}`, 91_000+i, 5500+i, evil)), ReadAt: base,
			Fields: map[string]any{
				"order_number": fmt.Sprint(5500 + i), "salla_customer_id": key, "status": "CONFIRMED", "total": json.Number("1234.50"),
				"currency": "SAR", "placed_at": base.Add(time.Duration(i) * time.Minute), "financial_status": "PAID", "fulfillment_status": "UNFULFILLED",
				"customer": map[string]any{"first_name": "نورة", "last_name": fmt.Sprintf("العتيبي %d", i)},
			},
		})
	}
	x.commit(tenantdb.CustomerList, persons)
	x.commit(tenantdb.OrderList, orders, tenantdb.Reject{
		Resource: tenantdb.Orders, SourceID: "666", Field: "total", Reason: "total is not a number: " + evil, Record: []byte(`{"id":666,"total":"` + evil + `"}`),
	}, tenantdb.Reject{Resource: tenantdb.Orders, Reason: "it has no id", Record: []byte(`{"total":`)})
	x.commit(tenantdb.ProductList, []tenantdb.Record{
		{
			Key: "31", Document: json.RawMessage(`{"id":31,"name":"عطر العود"}`), ReadAt: base,
			Fields: map[string]any{"name": "عطر العود " + evil, "sku": "OUD-100", "price": json.Number("350"), "currency": "SAR", "status": "ACTIVE", "stock_quantity": json.Number("12")},
		},
	})
	x.commit(tenantdb.CartList, []tenantdb.Record{
		{
			Key: "41", Document: json.RawMessage(`{"id":41}`), ReadAt: base,
			Fields: map[string]any{"customer_id": "7000", "total": json.Number("99.5"), "currency": "SAR", "item_count": 2, "abandoned_at": base, "recovery_status": "PENDING"},
		},
	})
}

// commit stores a page of records.
func (x *shelf) commit(shape func() tenantdb.Shape, records []tenantdb.Record, rejects ...tenantdb.Reject) {
	x.t.Helper()
	s := shape()
	ref := tenantdb.PageRef{Stream: uuid.New(), Run: uuid.New(), Resource: s.Resource, Pass: 1, PerPage: 60, Seq: 1}
	p, err := x.db.OpenPage(x.t.Context(), ref)
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := x.db.CommitPage(x.t.Context(), tenantdb.PageCommit{
		Ref: p.Ref, Fence: p.Fence, Batches: []tenantdb.Batch{{Shape: s, Records: records}}, Rejects: rejects,
	}); err != nil {
		x.t.Fatal(err)
	}
}

func TestDataIsListed(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "متجر "+evil)
	x.fill(1)

	for table, want := range map[string]string{
		"people":   "نورة العتيبي 0 Noura0@example.com +966500000000 الرياض 1 1,234.50",
		"products": "عطر العود " + evil + " OUD-100 350 SAR 12 active",
		"orders":   "5500 نورة العتيبي 0 1,234.50 SAR confirmed paid unfulfilled",
		"carts":    "41 نورة العتيبي 0 99.5 SAR 2 pending listed",
	} {
		doc := x.page(http.StatusOK, tenantHref(x.id)+"/data?table="+table)
		if got := words(doc.Find("#records tbody tr").First()); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", table, got, want)
		}
		if on := words(doc.Find(`.chips a[aria-current]`)); on != table {
			t.Errorf("the chip %q is on, want %s", on, table)
		}
		if doc.Find("main script").Length() > 0 {
			t.Errorf("%s: there is a script in the page", table)
		}
	}
	x.page(http.StatusUnprocessableEntity, tenantHref(x.id)+"/data?table=settings")
	x.page(http.StatusBadRequest, tenantHref(x.id)+"/data?cursor=x")
}

func TestDataIsFound(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "Palm")
	x.fill(12)
	tests := []struct{ table, q, want string }{
		{"people", "NOURA7@example.com", "نورة العتيبي 7"},
		{"people", "0500000007", "نورة العتيبي 7"},
		{"people", "+966 50 000 0007", "نورة العتيبي 7"},
		{"people", "٠٥٠٠٠٠٠٠٠٧", "نورة العتيبي 7"},
		{"people", "7007", "نورة العتيبي 7"},
		{"people", "العتيبي 11", "نورة العتيبي 11"},
		{"people", "noura10@", "نورة العتيبي 10"},
		{"people", "100%", ""},
		{"orders", "#5507", "5507"},
		{"orders", "91007", "5507"},
		{"orders", "noura7@example.com", "5507"},
		{"orders", "العتيبي 9", "5509"},
		{"products", "OUD-100", "عطر العود " + evil},
		{"products", "العود", "عطر العود " + evil},
		{"carts", "41", "41"},
		{"carts", "noura0@example.com", "41"},
		{"carts", "العتيبي 0", "41"},
		{"carts", "nobody", ""},
	}
	for _, tt := range tests {
		doc := x.page(http.StatusOK, listHref(tenantHref(x.id)+"/data", url.Values{"table": {tt.table}}, "q", tt.q))
		if got := words(doc.Find("#records tbody td.head")); got != tt.want {
			t.Errorf("%s q=%s: %q, want %q", tt.table, tt.q, got, tt.want)
		}
		if tt.want == "" && !strings.Contains(words(doc.Find(".empty")), "Nothing of "+tt.table+" matches") {
			t.Errorf("%s q=%s: %q", tt.table, tt.q, words(doc.Find("main")))
		}
	}
}

func TestDataPages(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "Palm")
	x.fill(2*pageSize + 3)
	for _, table := range []string{"people", "orders"} {
		read := func(path string) (keys []string, newer, older string) {
			doc := x.page(http.StatusOK, path)
			doc.Find("#records a.row").Each(func(_ int, a *goquery.Selection) { keys = append(keys, a.AttrOr("href", "")) })
			return keys, doc.Find(`.pager a[rel=prev]`).AttrOr("href", ""), doc.Find(`.pager a[rel=next]`).AttrOr("href", "")
		}
		first := tenantHref(x.id) + "/data?table=" + table
		var seen []string
		var back string
		for path := first; path != ""; {
			var keys []string
			keys, back, path = read(path)
			seen = append(seen, keys...)
		}
		distinct := map[string]bool{}
		for _, key := range seen {
			distinct[key] = true
		}
		if len(seen) != 2*pageSize+3 || len(distinct) != len(seen) {
			t.Errorf("%s: %d rows, %d of them distinct, want %d", table, len(seen), len(distinct), 2*pageSize+3)
		}
		keys, newer, _ := read(back)
		if diff := cmp.Diff(seen[pageSize:2*pageSize], keys); diff != "" {
			t.Errorf("%s: the page before the last (-want +got):\n%s", table, diff)
		}
		if to := x.led(newer); to != first {
			t.Errorf("%s: newer leads to %s, want %s", table, to, first)
		}
	}
}

func TestRecordIsShownBesideItsDocuments(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "Palm")
	x.fill(1)

	doc := x.page(http.StatusOK, tenantHref(x.id)+"/data/orders/91000")

	fields := map[string]string{}
	doc.Find("#row tbody tr").Each(func(_ int, tr *goquery.Selection) {
		fields[words(tr.Find("td").First())] = words(tr.Find("td").Eq(1))
	})
	for name, want := range map[string]string{
		"order_id": "91000", "order_number": "5500", "total": "1234.50", "currency": "SAR", "status": "CONFIRMED",
		"customer": `{"first_name":"نورة","last_name":"العتيبي 0"}`,
	} {
		if fields[name] != want {
			t.Errorf("%s = %q, want %q", name, fields[name], want)
		}
	}
	if blank := words(doc.Find(".split p")); !strings.Contains(blank, "closed_at") || fields["closed_at"] != "" {
		t.Errorf("the empty columns are %q", blank)
	}
	for _, hidden := range []string{"source_document", "source_hash", "seen_run"} {
		if _, ok := fields[hidden]; ok {
			t.Errorf("the row has %s", hidden)
		}
	}
	if got := words(doc.Find(".payload h2")); got != "As the list gave it" {
		t.Errorf("documents: %q", got)
	}
	if got := strings.Join(strings.Fields(doc.Find(".payload pre").Text()), " "); got != `{ "id": 91000, "note": "`+evil+`", "reference_id": 5500 }` || doc.Find("main script").Length() > 0 {
		t.Errorf("the document is %q", got)
	}
	x.page(http.StatusNotFound, tenantHref(x.id)+"/data/orders/1")
	x.page(http.StatusNotFound, tenantHref(x.id)+"/data/settings/1")
}

func TestRejectsAreShownWhole(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "Palm")
	x.fill(1)

	doc := x.page(http.StatusOK, tenantHref(x.id)+"/rejects")

	got := words(doc.Find("#rejects tbody"))
	for _, want := range []string{"666 orders total total is not a number: " + evil + " open", "without id orders – it has no id open"} {
		if !strings.Contains(got, want) {
			t.Errorf("the list says %q, want %q in it", got, want)
		}
	}
	var pages []string
	doc.Find("#rejects a.row").Each(func(_ int, a *goquery.Selection) {
		page := x.page(http.StatusOK, a.AttrOr("href", ""))
		if page.Find("main script").Length() > 0 {
			t.Error("there is a script in the page")
		}
		pages = append(pages, page.Find(".payload pre").Text())
	})
	if all := strings.Join(pages, "\n"); !strings.Contains(all, `"total": "`+evil+`"`) || !strings.Contains(all, `{"total":`) {
		t.Errorf("the records are %q", pages)
	}
	if got := words(x.page(http.StatusOK, tenantHref(x.id)+"/rejects?resource=carts").Find(".empty")); !strings.Contains(got, "No record is rejected") {
		t.Errorf("no reject: %q", got)
	}
	x.page(http.StatusNotFound, tenantHref(x.id)+"/rejects/"+uuid.NewString())
	x.page(http.StatusNotFound, tenantHref(x.id)+"/rejects/7")
}

func TestDatabasePage(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "Palm")
	x.fill(1)
	doc := x.page(http.StatusOK, tenantHref(x.id)+"/database")
	got := facts(doc.Find("main"))
	if got["Database"] == "" || !strings.HasSuffix(got["Size"], "MB") || got["Model version"] != "1" {
		t.Errorf("facts: %v", got)
	}
	if tables := words(doc.Find("table tbody")); !strings.Contains(tables, "salla_orders") {
		t.Errorf("tables: %q", tables)
	}
	if html, _ := doc.Html(); strings.Contains(html, x.target.Password) {
		t.Error("the page has the password")
	}
}

// A database that can't be looked into is a sentence on the page, not a failure.
func TestDataThatIsShut(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "Palm")
	x.fill(1)
	pages := []string{"/data", "/data/orders/91000", "/rejects", "/rejects/" + uuid.NewString(), "/database"}
	says := func(want string) {
		t.Helper()
		for _, page := range pages {
			doc := x.page(http.StatusOK, tenantHref(x.id)+page)
			if got := words(doc.Find("main > .notices")); !strings.Contains(got, want) {
				t.Errorf("%s says %q, want %q", page, got, want)
			}
		}
	}
	open := x.s.OpenTenant

	if err := x.servers.SetLogin(t.Context(), x.target.Server, x.target.Database, x.target.Role, false); err != nil {
		t.Fatal(err)
	}
	says("its login is closed")
	x.exec(`UPDATE tenants SET status = 'suspended', suspended_by = 'operator', resume_status = 'ready'`)
	says("The store is suspended: its database takes no logins")
	x.exec(`UPDATE tenants SET status = 'ready', suspended_by = NULL, resume_status = NULL`)
	x.s.OpenTenant = func(ctx context.Context, id uuid.UUID) (*tenantdb.DB, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	pages = pages[:1] // it waits
	says("does not answer now")
	pages = []string{"/data", "/rejects", "/database"}
	x.s.OpenTenant = nil
	says("does not open the databases")
	x.s.OpenTenant = open
	x.exec(`UPDATE tenants SET database_name = NULL`)
	says("has no database yet")
}
