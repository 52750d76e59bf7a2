package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/worker"
)

// queuesSite is Asynqmon on a Redis of its own, with somebody signed in.
type queuesSite struct {
	*site
	rdb redis.UniversalClient
}

func newQueuesSite(t *testing.T, address string) *queuesSite {
	t.Helper()
	x := newSite(t)
	rdb, err := tasks.OpenRedis(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	opt, err := tasks.ConnOpt(address)
	if err != nil {
		t.Fatal(err)
	}
	x.s.Asynqmon = NewAsynqmon(opt)
	t.Cleanup(func() {
		if err := x.s.Asynqmon.Close(); err != nil {
			t.Errorf("close Asynqmon: %v", err)
		}
	})
	x.s.Queue = tasks.NewEnqueuer(rdb)
	x.s.PingRedis = func(ctx context.Context) error { return rdb.Ping(ctx).Err() }
	x.h = signedIn(x.s)
	return &queuesSite{x, rdb}
}

// signedIn is Asynqmon's routes with somebody signed in, and the headers that
// every answer has.
func signedIn(s *Server) http.Handler {
	r := chi.NewRouter()
	r.Use(s.withAddress, withHeaders, s.withConsole, s.sameOrigin(), func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who := Operator{ID: uuid.New(), Email: "noura@wosool.example", Role: store.RoleOperator}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operatorKey{}, who)))
		})
	})
	r.Route("/admin", func(r chi.Router) {
		r.Get("/static/{name}", s.handle(s.showAsset))
		s.asynqmonRoutes(r)
	})
	return r
}

// archive puts a task of ours and one of somebody else's into the archive.
func (x *queuesSite) archive(ref tasks.Ref) {
	x.t.Helper()
	ctx := x.t.Context()
	if err := x.s.Queue.Enqueue(ctx, ref); err != nil {
		x.t.Fatal(err)
	}
	inspector := asynq.NewInspectorFromRedisClient(x.rdb)
	if err := inspector.ArchiveTask(ref.Lane, ref.TaskID()); err != nil {
		x.t.Fatal(err)
	}
}

func TestQueuesPageRunsUnderAStrictPolicy(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	nonces := map[string]bool{}

	for _, address := range []string{
		queuesRoot, queuesRoot + "/", queuesRoot + "/settings", queuesRoot + "/servers", queuesRoot + "/redis",
		queuesRoot + "/queues/imports", queuesRoot + "/queues/imports/tasks/tenant:provision:1:2",
	} {
		a := x.send(http.MethodGet, address, "", nil)
		policy := a.Header.Get("Content-Security-Policy")
		nonce := regexp.MustCompile(`'nonce-([^']+)'`).FindStringSubmatch(policy)
		if a.Code != http.StatusOK || nonce == nil || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Fatalf("GET %s: status %d, policy %q", address, a.Code, policy)
		}
		nonces[nonce[1]] = true
		page := string(a.Body)
		if got, want := strings.Count(page, "<script"), strings.Count(page, `<script nonce="`+nonce[1]+`"`); got != want || got == 0 {
			t.Errorf("%d scripts, %d with the nonce", got, want)
		}
		if !strings.Contains(page, `<meta property="csp-nonce" content="`+nonce[1]+`"/>`) || !strings.Contains(page, `<style nonce="`+nonce[1]+`">`) {
			t.Errorf("the nonce is not handed to the styles: %s", page)
		}
		if regexp.MustCompile(`(href|src)="(https?:)?//`).MatchString(page) || strings.Contains(page, "@@") || strings.Contains(page, "manifest") {
			t.Errorf("the page asks others, or has a blank left: %s", page)
		}
	}
	if len(nonces) != 7 {
		t.Errorf("%d nonces for 7 answers", len(nonces))
	}
}

func TestQueuesPageTakesTheConsolesTheme(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))

	for cookie, want := range map[string]string{
		"": "system", "theme=dark": "dark", "theme=light": "light", `theme="><script>`: "system",
	} {
		page := string(x.send(http.MethodGet, queuesRoot, "", map[string]string{"Cookie": cookie}).Body)
		if !strings.Contains(page, `<html lang="en" data-theme="`+want+`">`) {
			t.Errorf("cookie %q: %.60s, want theme %s", cookie, page, want)
		}
	}
}

func TestQueuesFiles(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	page := string(x.send(http.MethodGet, queuesRoot, "", nil).Body)
	scripts := regexp.MustCompile(`src="([^"]+\.js)"`).FindAllStringSubmatch(page, -1)
	if len(scripts) != 2 {
		t.Fatalf("the page has %d scripts of its own, want 2", len(scripts))
	}

	for _, s := range scripts {
		a := x.send(http.MethodGet, s[1], "", map[string]string{"Accept-Encoding": "gzip"})
		if a.Code != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/javascript") ||
			!strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("GET %s: %d %v", s[1], a.Code, a.Header)
		}
		if a := x.send(http.MethodGet, s[1]+".map", "", nil); a.Code != http.StatusNotFound {
			t.Errorf("GET %s.map: %d, want 404", s[1], a.Code)
		}
	}
	for _, name := range []string{
		"/static/js/none.js", "/none", "/static", "/index.html.bak", "/queues/a/b/c", "/q/metrics", "/../web.go", "/static//js",
	} {
		if a := x.send(http.MethodGet, queuesRoot+name, "", nil); a.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", name, a.Code)
		}
	}
	if a := x.send(http.MethodGet, queuesRoot+"/favicon.ico", "", nil); a.Code != http.StatusOK {
		t.Errorf("favicon: %d", a.Code)
	}
	if a := x.send(http.MethodPost, queuesRoot, "", nil); a.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST of the page: %d", a.Code)
	}
}

// What is shown of a task is our ids; whatever else is in Redis is redacted.
func TestQueuesAreRedacted(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	ref := tasks.Ref{Kind: "event:apply", ID: uuid.New(), Epoch: 3, Lane: tasks.LaneEvents}
	if err := x.s.Queue.Enqueue(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	client := asynq.NewClientFromRedisClient(x.rdb)
	foreign := asynq.NewTask("mail:send", []byte(`{"to":"sara@shop.example","phone":"+966 55 123 4567","token":"ory_at_0123456789abcdefghij","n":7}`),
		asynq.Queue(tasks.LaneEvents), asynq.TaskID("foreign"))
	if _, err := client.EnqueueContext(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}

	a := x.send(http.MethodGet, queuesRoot+"/api/queues/events/pending_tasks", "", nil)
	var list struct {
		Tasks []struct{ ID, Payload string } `json:"tasks"`
	}
	x.read(a, &list)
	shown := map[string]string{}
	for _, task := range list.Tasks {
		shown[task.ID] = task.Payload
	}
	want := map[string]string{
		ref.TaskID(): `{"v":1,"id":"` + ref.ID.String() + `","epoch":3}`,
		"foreign":    `{"to":"[redacted]","phone":"[redacted]","token":"[redacted]","n":7}`,
	}
	if d := cmp.Diff(want, shown); d != "" {
		t.Error(d)
	}
	if got := a.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
}

func TestErrorsOfTasksAreRedacted(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	answer := `{"tasks":[{"id":"x","error_message":"ask sara@shop.example of ` + id + `"}],"stats":{"n":12345678901234567890}}`

	got := string(redactFailures([]byte(answer)))

	want := `{"stats":{"n":12345678901234567890},"tasks":[{"error_message":"ask [redacted] of ` + id + `","id":"x"}]}`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if same := `{"b":1,"a":{"error_message":"order 1234567890 was not found"}}`; string(redactFailures([]byte(same))) != same {
		t.Error("an answer with nothing to hide was changed")
	}
}

func TestQueuesRefuseOtherSites(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	if _, err := x.s.Queue.Lanes(t.Context()); err != nil { // registers the lanes
		t.Fatal(err)
	}
	address := queuesRoot + "/api/queues/imports:pause"

	for _, header := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"},
		{"Sec-Fetch-Site": "same-site"},
		{"Origin": "https://evil.example"},
	} {
		if a := x.send(http.MethodPost, address, "", header); a.Code != http.StatusForbidden {
			t.Errorf("POST with %v: %d, want 403", header, a.Code)
		}
	}
	if paused := x.rdb.Exists(t.Context(), "asynq:{imports}:paused").Val(); paused != 0 {
		t.Error("the lane was paused by another site")
	}
	if a := x.send(http.MethodPost, address, "", map[string]string{"Sec-Fetch-Site": "same-origin"}); a.Code != http.StatusNoContent {
		t.Errorf("POST from the page itself: %d %s", a.Code, a.Body)
	}
}

func TestQueuesActsAreAudited(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	tenant := uuid.New()
	ref := tasks.Ref{Kind: "tenant:provision", ID: tenant, Epoch: 2, Lane: tasks.LaneProvisioning}
	x.archive(ref)
	root := queuesRoot + "/api/queues/provisioning"

	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, ":pause", "", http.StatusNoContent},
		{http.MethodPost, ":resume", "", http.StatusNoContent},
		{http.MethodPost, "/archived_tasks/" + ref.TaskID() + ":run", "", http.StatusNoContent},
		{http.MethodPost, "/pending_tasks:batch_archive", `{"task_ids":["` + ref.TaskID() + `"]}`, http.StatusOK},
		{http.MethodDelete, "/archived_tasks:delete_all", "", http.StatusOK},
		{http.MethodPost, "/archived_tasks/tenant:provision:gone:1:run", "", http.StatusNotFound}, // not done: not noted
		{http.MethodPost, "/archived_tasks:explode_all", "", http.StatusNotFound},
		{http.MethodPost, "/../../tenants", "", http.StatusNotFound},
	} {
		a := x.send(c.method, root+c.path, c.body, map[string]string{"Sec-Fetch-Site": "same-origin"})
		if a.Code != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, a.Code, a.Body, c.want)
		}
	}

	rows, err := x.pool.Query(t.Context(), `
		SELECT actor || ' ' || act || ': ' || subject || coalesce(' of ' || tenant_id::text, '') || ' ' || (details->>'method')
		FROM audit
		ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	who := "noura@wosool.example "
	want := []string{
		who + "queue.pause: lane provisioning POST",
		who + "queue.resume: lane provisioning POST",
		who + "task.run: archived task " + ref.TaskID() + " of lane provisioning of " + tenant.String() + " POST",
		who + "tasks.archive: 1 pending tasks of lane provisioning POST",
		who + "tasks.delete: every archived task of lane provisioning DELETE",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A call asks for no more than a page of tasks, and brings no more than a form.
func TestQueuesCallsAreBounded(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": "", "size=20&page=2": "page=2&size=20", "size=1000000": "size=100", "size=-1&page=0": "page=1&size=1",
		"page=9223372036854775807": "page=2147483647", "size=x&other=1": "other=1&size=x", "size=500&size=7": "size=100",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := boundedPage(q); got != want {
			t.Errorf("%q becomes %q, want %q", query, got, want)
		}
	}

	x := newQueuesSite(t, dbtest.Redis(t))
	refs := make([]tasks.Ref, 120)
	for i := range refs {
		refs[i] = tasks.Ref{Kind: "event:apply", ID: uuid.New(), Epoch: 1, Lane: tasks.LaneEvents}
	}
	if err := x.s.Queue.Enqueue(t.Context(), refs...); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"?size=100000", "?size=100000&page=-3", "?page=9223372036854775807&size=100"} {
		a := x.send(http.MethodGet, queuesRoot+"/api/queues/events/pending_tasks"+path, "", nil)
		var list struct {
			Tasks []struct{ ID string } `json:"tasks"`
		}
		x.read(a, &list)
		want := 100
		if strings.HasPrefix(path, "?page") {
			want = 0
		}
		if a.Code != http.StatusOK || len(list.Tasks) != want {
			t.Errorf("%s: %d with %d tasks, want %d", path, a.Code, len(list.Tasks), want)
		}
	}
	large := `{"task_ids":["` + strings.Repeat("a", pageBody) + `"]}`
	a := x.send(http.MethodPost, queuesRoot+"/api/queues/events/pending_tasks:batch_archive", large, nil)
	if a.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d %s, want 413", a.Code, a.Body)
	}
}

// What can't be noted is not done.
func TestNoAuditNoAct(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	if _, err := x.s.Queue.Lanes(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.pool.Close()
	x.s.DB = store.New(x.pool)

	a := x.send(http.MethodPost, queuesRoot+"/api/queues/imports:pause", "", nil)

	if a.Code < 500 || x.rdb.Exists(t.Context(), "asynq:{imports}:paused").Val() != 0 {
		t.Errorf("status %d, and the lane was paused", a.Code)
	}
}

func TestQueuesWithoutRedis(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, "redis://127.0.0.1:1")

	for _, address := range []string{queuesRoot, queuesRoot + "/queues/imports", queuesRoot + "/api/queues"} {
		begun := time.Now()
		a := x.send(http.MethodGet, address, "", map[string]string{"Accept": "text/html"})
		if a.Code != http.StatusServiceUnavailable || !strings.Contains(string(a.Body), "Redis does not answer") || time.Since(begun) > 5*time.Second {
			t.Errorf("GET %s: %d after %s: %s", address, a.Code, time.Since(begun), a.Body)
		}
	}
	if got := string(x.send(http.MethodGet, queuesRoot+"/api/queues", "", nil).Body); strings.HasPrefix(got, "{") {
		t.Errorf("the page would show this as an object: %s", got)
	}
	x.s.Asynqmon = nil
	if a := x.send(http.MethodGet, queuesRoot, "", nil); a.Code != http.StatusServiceUnavailable {
		t.Errorf("without Asynqmon: %d", a.Code)
	}
	x.s.Asynqmon = NewAsynqmon(asynq.RedisClientOpt{Addr: "127.0.0.1:1"}) // the site closes one
}

// Running an archived task is a retry: its row, which had failed, is taken again
// with its attempts at nought, and the work is truly done.
func TestArchivedTaskIsDoneAgain(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	id := uuid.New()
	x.exec(`INSERT INTO schema_targets (id, server, wanted_version) VALUES ($1, 'here:5432', 1)`, id)
	ref := tasks.Ref{Kind: store.KindSchemaBootstrap, ID: id, Epoch: 1, Lane: tasks.LaneProvisioning}
	var mu sync.Mutex
	repaired, ran := false, 0
	stop := x.work(t, func(context.Context, store.Lease) ([]store.Task, error) {
		mu.Lock()
		defer mu.Unlock()
		ran++
		if !repaired {
			return nil, fault.Permanent(errors.New("the server is not there"))
		}
		return nil, nil
	})
	defer stop()
	if err := x.s.Queue.Enqueue(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	path := "/queues/" + ref.Lane + "/archived_tasks/" + ref.TaskID()
	dbtest.Eventually(t, 20*time.Second, "the task is a dead letter, archived", func() bool {
		a := x.send(http.MethodGet, queuesRoot+"/api/queues/"+ref.Lane+"/tasks/"+ref.TaskID(), "", nil)
		var task struct{ State string }
		return a.Code == http.StatusOK && json.Unmarshal(a.Body, &task) == nil && task.State == "archived" &&
			one[string](x.site, `SELECT state FROM schema_targets WHERE id = $1`, id) == "failed"
	})
	mu.Lock()
	repaired = true
	before := ran
	mu.Unlock()

	a := x.send(http.MethodPost, queuesRoot+"/api"+path+":run", "", map[string]string{"Sec-Fetch-Site": "same-origin"})

	if a.Code != http.StatusNoContent {
		t.Fatalf("run: %d %s", a.Code, a.Body)
	}
	dbtest.Eventually(t, 20*time.Second, "the work is done", func() bool {
		return one[string](x.site, `SELECT state FROM schema_targets WHERE id = $1`, id) == "done"
	})
	if got := one[int](x.site, `SELECT attempts FROM schema_targets WHERE id = $1`, id); got != 0 || ran != before+1 {
		t.Errorf("%d attempts on the row, %d runs after the retry; want 0 and 1", got, ran-before)
	}
}

// A task that is deleted is queued again by the sweeper: the row is the truth.
func TestDeletedTaskComesBack(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	id := uuid.New()
	x.exec(`INSERT INTO schema_targets (id, server, wanted_version) VALUES ($1, 'here:5432', 1)`, id)
	ref := tasks.Ref{Kind: store.KindSchemaBootstrap, ID: id, Epoch: 1, Lane: tasks.LaneProvisioning}
	if err := x.s.Queue.Enqueue(t.Context(), ref); err != nil {
		t.Fatal(err)
	}

	a := x.send(http.MethodDelete, queuesRoot+"/api/queues/"+ref.Lane+"/pending_tasks/"+ref.TaskID(), "", nil)
	if a.Code != http.StatusNoContent {
		t.Fatalf("delete: %d %s", a.Code, a.Body)
	}
	stop := x.work(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })
	defer stop()

	dbtest.Eventually(t, 20*time.Second, "the work is done all the same", func() bool {
		return one[string](x.site, `SELECT state FROM schema_targets WHERE id = $1`, id) == "done"
	})
}

// work runs a worker until the test ends or stop is called.
func (x *queuesSite) work(t *testing.T, run func(context.Context, store.Lease) ([]store.Task, error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w := &worker.Worker{
		DB: x.s.DB, Redis: x.rdb, Queue: tasks.NewEnqueuer(x.rdb), Handlers: worker.Handlers{BootstrapSchema: worker.Handler{Run: run}},
		Intervals: config.Intervals{
			Lease: 1500 * time.Millisecond, LeaseRenew: 500 * time.Millisecond, Sweep: 500 * time.Millisecond,
			Unleased: 3 * time.Second, LeaderLease: time.Second, LeaderRenew: 300 * time.Millisecond,
			Schedule: time.Hour, Prune: time.Hour, Reconcile: time.Hour, Grace: 5 * time.Second,
			TaskCheck: 50 * time.Millisecond, DelayedCheck: 100 * time.Millisecond,
		},
		Retention: time.Hour, Concurrency: 5, Lanes: tasks.Lanes(), Metrics: prometheus.NewRegistry(), Log: dbtest.Log(t),
	}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestAsynqmonClosesItsConnections(t *testing.T) {
	t.Parallel()
	address := dbtest.Redis(t)
	opt, err := tasks.ConnOpt(address)
	if err != nil {
		t.Fatal(err)
	}
	a := NewAsynqmon(opt)
	r := httptest.NewRequest(http.MethodGet, queuesRoot+"/api/redis_info", nil)
	w := httptest.NewRecorder()
	a.ui.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}

	if err := a.Close(); err != nil {
		t.Fatal(err)
	}

	w = httptest.NewRecorder()
	a.ui.ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), redis.ErrClosed.Error()) {
		t.Errorf("after Close: %d %s", w.Code, w.Body)
	}
}
