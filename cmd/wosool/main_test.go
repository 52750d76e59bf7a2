package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/vault"
)

func TestWithoutSettings(t *testing.T) {
	t.Parallel()
	none := &shell{t: t, env: map[string]string{}}
	tests := []struct {
		args     string
		code     int
		out, err string // what each must hold
	}{
		{"", 2, "", "Commands:"},
		{"--help", 0, "Commands:", ""},
		{"tenants --help", 0, "retry", ""},
		{"version", 0, "control schema", ""},
		{"keyset new", 0, "ey", ""},
		{"tenants", 2, "", `expected one of "list"`},
		{"tenants show", 2, "", `expected "<tenant>"`},
		{"tenants list --status=great", 2, "", "--status must be one of"},
		{"import start palm --since=yesterday", 2, "", "--since"},
		{"conquer", 2, "", "unexpected argument conquer"},
		{"tenants list", 2, "", "DATABASE_URL is missing"},
		{"stats", 2, "", "SECRET_KEYSET is missing"},
	}
	for _, tt := range tests {
		out, errs, code := none.run(tt.args)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.err) {
			t.Errorf("wosool %s: exit %d, out %q, err %q; want %d, %q, %q", tt.args, code, out, errs, tt.code, tt.out, tt.err)
		}
		if tt.code == 0 && errs != "" || tt.code != 0 && out != "" {
			t.Errorf("wosool %s: out %q, err %q: an answer goes to one, a complaint to the other", tt.args, out, errs)
		}
	}
}

func TestKeysetIsOneThatOpens(t *testing.T) {
	t.Parallel()
	var answer struct {
		Keyset string `json:"keyset"`
	}
	(&shell{t: t}).json(&answer, "keyset new")

	if _, err := vault.OpenKeys(answer.Keyset); err != nil {
		t.Error(err)
	}
}

func TestTenantsByHand(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	var made struct {
		ID     uuid.UUID `json:"id"`
		Status string    `json:"status"`
		Steps  []any     `json:"steps"`
	}
	s.json(&made, "tenants create --name=Palm --slug=palm --owner-email=o@example.com --merchant=77")
	if made.Status != "provisioning" || len(made.Steps) != 7 {
		t.Errorf("made %+v", made)
	}
	if got := s.db(`SELECT actor || ' ' || act FROM audit`); got != "wosool@"+hostname(t)+" tenant.create" {
		t.Errorf("audit = %s", got)
	}

	for _, name := range []string{made.ID.String(), "77", "palm"} {
		if out := s.done("tenants show " + name); !strings.Contains(out, made.ID.String()) {
			t.Errorf("tenants show %s: %s", name, out)
		}
	}
	s.refused("tenants create --name=P --slug=palm --owner-email=o@example.com", "another tenant has the slug palm")
	s.refused("tenants create --name=P --slug=p --owner-email=o@example.com", "slug must have 3 to 40")
	s.refused("tenants show nobody", `no tenant has the id, merchant or slug "nobody"`)
	s.refused("tenants retry palm", "a provisioning tenant cannot be retried")
	s.exec(`UPDATE tenants SET status = 'failed', state = 'failed' WHERE slug = 'palm'`)
	if out := s.done("tenants retry palm"); !strings.Contains(out, "provisioning") {
		t.Errorf("retried: %s", out)
	}
	if out := s.done("tenants suspend palm"); !strings.Contains(out, "suspended by operator") {
		t.Errorf("suspended: %s", out)
	}
	s.done("tenants resume palm")

	var list struct {
		Data []map[string]any `json:"data"`
		Next *string          `json:"next"`
	}
	s.json(&list, "tenants create --name=Oasis --slug=oasis --owner-email=o@example.com")
	s.json(&list, "tenants list --limit=1")
	if len(list.Data) != 1 || list.Data[0]["slug"] != "oasis" || list.Next == nil {
		t.Fatalf("list = %+v", list)
	}
	s.json(&list, "tenants list --limit=1 --after="+*list.Next)
	if len(list.Data) != 1 || list.Data[0]["slug"] != "palm" || list.Next != nil {
		t.Errorf("second page = %+v", list)
	}
	if out := s.done("tenants list -q oas"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "oasis") {
		t.Errorf("list = %s", out)
	}
	s.refused("tenants list --limit=201", "--limit takes 1 to 200")
}

func TestNamesDoNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.done("tenants create --name=Palm --slug=palm --owner-email=o@example.com")
	s.exec("UPDATE tenants SET name = E'\\x1b[2Jgone\\nrow'")

	for _, args := range []string{"tenants list", "tenants show palm"} {
		if out := s.done(args); strings.Contains(out, "\x1b") || strings.Contains(out, "gone\n") {
			t.Errorf("%s: %q", args, out)
		}
	}
}

func TestTaskRunsAtOnceWithRedis(t *testing.T) {
	t.Parallel()
	s := newShell(t)

	_, errs, _ := s.run("tenants create --name=Palm --slug=palm --owner-email=o@example.com")
	if !strings.Contains(errs, "REDIS_URL is not set: a worker's sweeper picks the task up within seconds") {
		t.Errorf("without Redis: %q", errs)
	}
	server := dbtest.OwnRedis(t)
	s.env["REDIS_URL"] = server.URL()
	_, errs, _ = s.run("tenants create --name=Oasis --slug=oasis --owner-email=o@example.com")
	if errs != "" {
		t.Errorf("with Redis: %q", errs)
	}
	if out := s.done("stats"); !strings.Contains(out, "provisioning  1        0") {
		t.Errorf("stats = %s, want one pending task", out)
	}
	server.Stop()
	_, errs, code := s.run("tenants create --name=Third --slug=third --owner-email=o@example.com")
	if code != 0 || !strings.Contains(errs, "Redis did not take the task") {
		t.Errorf("with Redis down: exit %d, %q", code, errs)
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.done("tenants create --name=Palm --slug=palm --owner-email=o@example.com")
	s.refused("import start palm", "a provisioning tenant cannot be imported")
	s.exec(`UPDATE tenants SET status = 'ready', state = 'done'`)

	if out := s.done("import status palm"); !strings.Contains(out, "There is no import yet.") {
		t.Errorf("status = %s", out)
	}
	var p struct {
		Data []struct {
			Kind   string `json:"kind"`
			Status string `json:"status"`
		} `json:"data"`
	}
	s.json(&p, "import start palm --resource=orders --resource=carts --since=2026-01-31T00:00:00Z")
	if len(p.Data) != 1 || p.Data[0].Kind != "manual" {
		t.Errorf("imports = %+v", p)
	}
	if got := s.db(`SELECT array_to_string(resources, ',') || ' ' || since FROM runs`); got != "orders,carts 2026-01-31 00:00:00+00" {
		t.Errorf("run = %s", got)
	}
	s.exec(`UPDATE runs SET status = 'running', started_at = now() - interval '10 minutes', state = 'done'`)
	s.exec(`INSERT INTO streams (id, run_id, tenant_id, resource, per_page, ahead, imported, total_before, started_at)
		SELECT gen_random_uuid(), id, tenant_id, 'orders', 60, 1, 600, 6000, started_at FROM runs`)
	s.exec(`INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, records, done_at, state)
		SELECT gen_random_uuid(), id, run_id, tenant_id, i, 60, now() - interval '30 s', 'done' FROM streams, generate_series(1, 10) AS i`)
	s.exec(`INSERT INTO connections (id, status) SELECT id, 'active' FROM tenants ON CONFLICT DO NOTHING`)
	if out := s.done("import status palm"); !strings.Contains(out, "200 records a minute") || !strings.Contains(out, "about 27 minutes left") || !strings.Contains(out, "6000") {
		t.Errorf("status = %s, want its rate and what is left", out)
	}
	if _, errs, _ := s.run("import start palm"); !strings.Contains(errs, "this one is queued") {
		t.Errorf("a second start says %q", errs)
	}
	s.exec(`DELETE FROM runs WHERE state = 'held'`)
	for _, step := range []struct{ act, status string }{{"pause", "paused"}, {"resume", "running"}, {"cancel", "cancelled"}} {
		s.json(&p, "import "+step.act+" palm")
		if p.Data[0].Status != step.status {
			t.Errorf("after %s: %+v, want %s", step.act, p, step.status)
		}
	}
	_, errs, code := s.run("import pause palm")
	if code != 1 || errs == "" {
		t.Errorf("pausing nothing: exit %d, %q", code, errs)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	id := s.event(`{"event":"order.created","merchant":77,"created_at":"2026-01-31 10:00:00","data":{"id":7,"token":"secret"}}`)

	var list struct {
		Data []map[string]any `json:"data"`
	}
	s.json(&list, "events list --merchant=77 --status=received --event=order.created --source=salla")
	if len(list.Data) != 1 || list.Data[0]["id"] != id {
		t.Errorf("list = %+v", list)
	}
	if out := s.done("events show " + id); !strings.Contains(out, "order.created") || !strings.Contains(out, `"id": 7`) {
		t.Errorf("show = %s", out)
	}
	s.refused("events replay "+id, "the event is received")
	s.exec(`UPDATE events SET status = 'failed', state = 'failed'`)
	if out := s.done("events replay " + id); !strings.Contains(out, "received") {
		t.Errorf("replay = %s", out)
	}
	s.refused("events show "+uuid.NewString(), "there is no such event")
	s.refused("events show x", `"x" is not the id of an event`)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.done("health"); !strings.Contains(out, "not asked: REDIS_URL is not set") {
		t.Errorf("health = %s", out)
	}
	s.exec(`DELETE FROM schema_migrations`)
	out, errs, code := s.run("health")
	if code != 1 || !strings.Contains(out, "run wosool migrate") || !strings.Contains(errs, "Wosool is down") {
		t.Errorf("health on an empty schema: exit %d, %q, %q", code, out, errs)
	}
	s.refused("tenants list", "run wosool migrate")
	s.env["DATABASE_URL"] = "postgres://nobody:hidden@127.0.0.1:1/none"
	_, errs, code = s.run("tenants list")
	if code != 1 || strings.Contains(errs, "hidden") {
		t.Errorf("without PostgreSQL: exit %d, %q", code, errs)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnPostgres(t)
	keyset, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, env: map[string]string{"DATABASE_URL": server.URL(), "SECRET_KEYSET": keyset}}
	s.pool, err = pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pool.Close)
	s.refused("tenants list", "run wosool migrate")

	for range 2 { // once more changes nothing
		var answer struct {
			Schema  int64    `json:"schema"`
			Servers []string `json:"servers"`
		}
		s.json(&answer, "migrate")
		if answer.Schema < 1 || len(answer.Servers) != 1 {
			t.Errorf("answer = %+v", answer)
		}
	}
	if got := s.db(`SELECT task || ' ' || state || ' ' || wanted_version FROM schema_targets`); got != "schema:bootstrap runnable 1" {
		t.Errorf("schema target = %s", got)
	}
	if got := s.db(`SELECT count(*)::text FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS a
		WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT'`); got != "0" {
		t.Errorf("everybody may connect to %s databases", got)
	}
	s.done("tenants list")
}

// shell runs commands with an environment of its own.
type shell struct {
	t    *testing.T
	env  map[string]string
	pool *pgxpool.Pool
}

func newShell(t *testing.T) *shell {
	t.Helper()
	pool, url := dbtest.ControlURL(t)
	keyset, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return &shell{t: t, env: map[string]string{"DATABASE_URL": url, "SECRET_KEYSET": keyset}, pool: pool}
}

func (s *shell) run(args string) (out, errs string, code int) {
	s.t.Helper()
	var o, e bytes.Buffer
	code = run(s.t.Context(), strings.Fields(args), func(name string) string { return s.env[name] }, &o, &e)
	return o.String(), e.String(), code
}

// done runs a command that must succeed.
func (s *shell) done(args string) string {
	s.t.Helper()
	out, errs, code := s.run(args)
	if code != 0 {
		s.t.Fatalf("wosool %s: exit %d: %s", args, code, errs)
	}
	return out
}

// refused runs a command that must be refused with a sentence and no answer.
func (s *shell) refused(args, sentence string) {
	s.t.Helper()
	out, errs, code := s.run(args)
	if code != 1 || out != "" || !strings.Contains(errs, sentence) || strings.Count(errs, "\n") != 1 {
		s.t.Errorf("wosool %s: exit %d, out %q, err %q; want 1 and one line with %q", args, code, out, errs, sentence)
	}
}

// json runs a command with --json and reads its answer, which must be one document.
func (s *shell) json(into any, args string) {
	s.t.Helper()
	out := s.done(args + " --json")
	if err := json.Unmarshal([]byte(out), into); err != nil || strings.Count(out, "\n") != 1 {
		s.t.Fatalf("wosool %s --json: %s: %v", args, out, err)
	}
}

func (s *shell) exec(sql string) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), sql); err != nil {
		s.t.Fatal(err)
	}
}

// db reads one text of the database.
func (s *shell) db(sql string) string {
	s.t.Helper()
	var text string
	if err := s.pool.QueryRow(s.t.Context(), sql).Scan(&text); err != nil {
		s.t.Fatal(err)
	}
	return text
}

// event records a delivery as the api does, and returns its id.
func (s *shell) event(body string) string {
	s.t.Helper()
	keys, err := vault.OpenKeys(s.env["SECRET_KEYSET"])
	if err != nil {
		s.t.Fatal(err)
	}
	in := &events.Inbox{DB: store.New(s.pool), Keys: keys}
	rec, err := in.Record(s.t.Context(), events.Delivery{Source: events.SourceSalla, Body: []byte(body), ReceivedAt: time.Now()})
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint(rec.EventID)
}

func hostname(t *testing.T) string {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return host
}
