package web

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"
)

// Every page is Arabic where a browser asks for it: whatever is reached from the
// overview by links and forms has no word left in English but names and data.
func TestEveryPageIsArabic(t *testing.T) {
	t.Parallel()
	x := drawer(t, "متجر النخيل")
	x.street()
	x.reject(mended(71), mended(72), mended(73), dateless(81))
	empty := drawer(t, "متجر جديد")
	lists := newDesk(t)
	furnish(lists)
	lists.s.Passkeys = partyAt(t, "https://example.com")
	lists.exec(`INSERT INTO passkeys (id, operator_id, credential_id, sealed, name, challenge_until) VALUES (gen_random_uuid(), $1, '\x01', '\x02', 'هاتف', now())`, lists.me())
	needs := newDesk(t)
	needs.s.Passkeys, needs.s.PublicURL = partyAt(t, "http://localhost:9"), "http://localhost:9"
	needs.everythingAils()

	misses := map[string]string{} // the text: where it was first
	visited := map[string]bool{}
	var data []string
	for _, table := range []string{"people", "products", "orders", "carts"} {
		data = append(data, tenantHref(x.id)+"/data?table="+table, tenantHref(empty.id)+"/data?table="+table)
	}
	for _, d := range []*desk{x.desk, empty.desk, lists, needs, newDesk(t)} {
		d.exec(`UPDATE operators SET role = 'admin'`)
		maps.Copy(visited, walkInArabic(d, misses, data...))
	}
	for _, of := range []string{"/admin/tenants/" + x.id.String(), "/admin/events/", "/admin/imports/", "/admin/lanes/failed"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(visited)), func(p string) bool { return strings.HasPrefix(p, of) }) {
			t.Errorf("no page at %s was visited", of)
		}
	}
	if len(misses) > 0 {
		var list []string
		for text, where := range misses {
			list = append(list, fmt.Sprintf("%q (%s)", text, where))
		}
		slices.Sort(list)
		t.Errorf("%d texts of %d pages are not in internal/arabic/phrases:\n%s", len(list), len(visited), strings.Join(list, "\n"))
	}
}

// everythingAils seeds what an operator is needed for.
func (d *desk) everythingAils() {
	d.t.Helper()
	d.beat("now() - interval '1 minute'")
	d.store("Failed", 1, "failed")
	d.grant(d.store("Parked", 3, "ready"), "needs_reauthorisation")
	unknown := d.store("Unknown", 4, "ready")
	d.grant(unknown, "refreshing")
	d.exec(`UPDATE connections SET refresh_unknown_at = now() WHERE id = $1`, unknown)
	invited := d.store("Invited", 5, "ready")
	d.exec(`UPDATE tenants SET clerk_owner = 'invited' WHERE id = $1`, invited)
	run := d.ranImport(invited, "initial", "incomplete", time.Hour)
	stream := d.readStream(run, invited, "orders", "failed", 60, 0, 0, 120)
	d.importPage(stream, run, invited, 1, 0, "failed", "salla: GET /orders: 500", 0, 0)
	other := d.readStream(run, invited, "carts", "running", 60, 0, 0, 120)
	d.importPage(other, run, invited, 1, 0, "runnable", "salla: GET /carts: 502 bad gateway", 0, 0)
	d.exec(`UPDATE pages SET attempts = 3 WHERE stream_id = $1`, other)
	d.event(deskEvent{name: "order.created", status: "failed", words: "the event names no merchant"})
	d.worker("w-busy", "now()", "NULL", "NULL", fmt.Sprintf(`[{"task": "event:apply", "row": %q, "tenant": %q, "since": "2026-01-01T00:00:00Z"}]`, uuid.New(), invited))
	d.worker("w-stopping", "now()", "now()", "NULL", "[]")
	d.worker("w-lost", "now() - interval '1 minute'", "NULL", "NULL", "[]")
	d.worker("w-stopped", "now() - interval '1 minute'", "now()", "now()", "[]")
}

// walkInArabic visits some pages, and what can be reached from the overview, a few of
// each kind, and tells what it visited.
func walkInArabic(d *desk, misses map[string]string, first ...string) (visited map[string]bool) {
	d.t.Helper()
	visited = map[string]bool{}
	kinds := map[string]int{}
	queue := append(slices.Clone(first),
		"/admin", "/admin/tenants", "/admin/events", "/admin/imports", "/admin/lanes", "/admin/lanes/failed", "/admin/workers",
		"/admin/account", "/admin/search?q=", "/admin/search?q=nothing-like-this", "/admin/nowhere", "/admin/events/"+uuid.NewString(),
		"/admin/tenants?q=nobody", "/admin/events?merchant=4", "/admin/events?merchant=x", "/admin/settings", "/admin/audit", "/admin/bulk",
		"/admin/settings/keys", "/admin/settings/sessions", "/admin/account/second-factor", "/admin/account/passkeys/new",
	)
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		kind := kindOfPage(path)
		if visited[path] || kinds[kind] >= 3 && !slices.Contains(first, path) || skipped.MatchString(path) {
			continue
		}
		visited[path] = true
		kinds[kind]++
		a := d.send(http.MethodGet, path, "", map[string]string{"Cookie": d.cookie + "; language=ar"})
		if a.Code/100 == 3 {
			queue = append(queue, a.Header.Get("Location"))
			continue
		}
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			continue
		}
		if a.Code >= http.StatusInternalServerError {
			d.t.Errorf("GET %s: %d", path, a.Code)
		}
		if got := a.Header.Get("Content-Language"); got != "ar" {
			d.t.Errorf("GET %s: Content-Language %q", path, got)
		}
		doc, err := goquery.NewDocumentFromReader(bytes.NewReader(a.Body))
		if err != nil {
			d.t.Fatal(err)
		}
		if lang, dir := doc.Find("html").AttrOr("lang", ""), doc.Find("html").AttrOr("dir", ""); lang != "ar" || dir != "rtl" {
			d.t.Errorf("GET %s: a page in %q, %q", path, lang, dir)
		}
		for _, text := range latin(doc) {
			if _, ok := misses[text]; !ok {
				misses[text] = path
			}
		}
		queue = append(queue, ways(doc)...)
	}
	return visited
}

// skipped is what no page of the console answers.
var skipped = regexp.MustCompile(`^/admin/(queues|static|sign-out)|/live\b|\.(csv|json)\b`)

var (
	anID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|\d{2,}`)
	aValue   = regexp.MustCompile(`(cursor|newer|q|text|span|table|event|source|lane|show|kind|reason|group|before|back|like|tenant|merchant|field|run|from|to)=[^&]*`)
	twoLatin = regexp.MustCompile(`[A-Za-z]{2,}`)
)

// kindOfPage is an address without what differs between pages of a kind.
func kindOfPage(path string) string {
	return aValue.ReplaceAllString(anID.ReplaceAllString(path, "N"), "$1=")
}

// ways are the pages that a page leads to.
func ways(doc *goquery.Document) []string {
	var list []string
	doc.Find("a[href^='/admin']").Each(func(_ int, a *goquery.Selection) { list = append(list, a.AttrOr("href", "")) })
	doc.Find("main form[method=get]").Each(func(_ int, f *goquery.Selection) {
		q := url.Values{}
		f.Find("input[type=hidden]").Each(func(_ int, in *goquery.Selection) { q.Add(in.AttrOr("name", ""), in.AttrOr("value", "")) })
		list = append(list, strings.TrimSuffix(f.AttrOr("action", "")+"?"+q.Encode(), "?"))
	})
	return list
}

// latin are the texts of a page that are not Arabic though they should be.
func latin(doc *goquery.Document) []string {
	var list []string
	miss := func(text string) {
		text = strings.Join(strings.Fields(text), " ")
		if twoLatin.MatchString(allowed.ReplaceAllString(text, "")) {
			list = append(list, text)
			return
		}
		for _, aside := range isolated.FindAllString(text, -1) { // what is no name but a sentence
			if sentences.MatchString(said.ReplaceAllString(aside, "")) {
				list = append(list, text)
				return
			}
		}
	}
	doc.Find("*").Each(func(_ int, el *goquery.Selection) {
		if el.Closest("[translate=no], [lang]:not(html)").Length() > 0 {
			return
		}
		for _, name := range []string{"title", "aria-label", "placeholder", "alt", "data-label"} {
			if value, ok := el.Attr(name); ok {
				miss(value)
			}
		}
		if el.Closest(verbatim).Length() > 0 && el.Closest("[translate=yes]").Length() == 0 {
			return
		}
		el.Contents().Each(func(_ int, n *goquery.Selection) {
			if goquery.NodeName(n) == "#text" {
				miss(n.Text())
			}
		})
	})
	return list
}

var (
	isolated  = regexp.MustCompile(`\x{2068}[^\x{2069}]*\x{2069}`)
	sentences = regexp.MustCompile(`[A-Za-z']{2,} [A-Za-z']{2,}`)
	// said is what others say, which nobody can translate: names and errors that are seeded.
	said = regexp.MustCompile(`Dates of Qassim|Dune & Sons|Closed for Eid|Abaya House|Honey of Taif[^\x{2069}]*|Coffee & Co\.[^\x{2069}]*|` +
		`\d+ (?:for|… for) order [^\x{2069}]*|… for order |(?:salla: |clerk: )?[A-Z]+ /[^\x{2069}]*|the organization's name is taken|Internal error, after 12 attempts`)
)

const verbatim = "bdi, code, pre, kbd, samp, script, style, textarea, .mono"

// allowed is what is the same in every language: what is isolated, names of products,
// settings, addresses, names of events.
var allowed = regexp.MustCompile(`\x{2068}[^\x{2069}]*\x{2069}|\b(wosool|Wosool|Salla|Clerk|Redis|PostgreSQL|Asynqmon|Twenty|API|URL|CSV|JSON|TOTP|QR|content-type|user-agent|SKU|SHA-256|UTF-8|RFC 3339|jsonb|https|api|salla|clerk|app|ar|en|light|dark|system)\b|` +
	`^test$|\b[A-Z]+_[A-Z_]+\b|[\w.+-]+@[\w.-]+|\b\w+(?:\.\w+)+\b|/[a-z/-]+|\borg:admin\b|\b[a-z]+:[a-z]+\b|\boffline_access\b|#[0-9a-f]+|…[0-9a-f]+|\bpro\b`)
