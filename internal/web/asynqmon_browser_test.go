package web

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/tasks"
)

// Asynqmon in a real browser: drawn and styled under the policy, without an
// error, a violation or a request to anybody else, and an archived task is run
// by clicking.
func TestQueuesInABrowser(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, dbtest.Redis(t))
	server := httptest.NewServer(x.h)
	t.Cleanup(server.Close)
	for i, lane := range tasks.Lanes() {
		for range i + 2 {
			x.archive(tasks.Ref{Kind: "event:apply", ID: uuid.New(), Epoch: 1, Lane: lane})
		}
	}
	ref := tasks.Ref{Kind: "tenant:provision", ID: uuid.New(), Epoch: 4, Lane: tasks.LaneProvisioning}
	x.archive(ref)
	tab := browsertest.Open(t)

	for theme, width := range map[string]int64{"light": 1440, "dark": 420} {
		tab.Look(theme, width)
		for name, page := range map[string]struct{ path, shows string }{
			"queues":    {"", "provisioning"},
			"lane":      {"/queues/provisioning?status=archived", ref.TaskID()[:20]},
			"task":      {"/queues/provisioning/tasks/" + ref.TaskID(), ref.ID.String()},
			"redis":     {"/redis", "redis_version"},
			"servers":   {"/servers", "No servers found"},
			"schedules": {"/schedulers", "No entries"},
			"settings":  {"/settings", "Polling"},
		} {
			tab.Go(server.URL+queuesRoot+page.path, page.shows)
			wantQueuesStyled(t, tab, theme)
			tab.Shoot(fmt.Sprintf("asynqmon-%s-%s-%d", name, theme, width))
		}
	}

	tab.Look("light", 1440)
	tab.Go(server.URL+queuesRoot+"/queues/provisioning?status=archived", ref.TaskID()[:20])
	row := fmt.Sprintf(`[...document.querySelectorAll("tr")].find(r => r.innerText.includes(%q))`, ref.TaskID()[:20])
	tab.Point(row + `?.querySelector("td:last-child")`)
	tab.Await(fmt.Sprintf(`(() => {
		const row = %s;
		const run = row && [...row.querySelectorAll("button")].find(b => [b.title, b.getAttribute("aria-label"), b.innerText].includes("Run"));
		if (run) run.click();
		return !!run;
	})()`, row))
	inspector := asynq.NewInspectorFromRedisClient(x.rdb)
	dbtest.Eventually(t, 10*time.Second, "the archived task is pending", func() bool {
		info, err := inspector.GetTaskInfo(ref.Lane, ref.TaskID())
		return err == nil && info.State == asynq.TaskStatePending
	})
	if got := one[string](x.site, `SELECT act || ': ' || subject FROM audit`); got != "task.run: archived task "+ref.TaskID()+" of lane provisioning" {
		t.Errorf("the audit says %q", got)
	}
	tab.Clean(server.URL)
}

// wantQueuesStyled fails unless the style library's sheets took effect, in the theme.
func wantQueuesStyled(t *testing.T, tab *browsertest.Tab, theme string) {
	t.Helper()
	got := tab.Text(`(() => {
		const bar = getComputedStyle(document.querySelector("header"));
		const back = getComputedStyle(document.querySelector("#back"));
		return [bar.position, bar.display, bar.backgroundColor, back.position].join("|")
	})()`)
	want := map[string]string{"light": "absolute|flex|rgb(255, 255, 255)|fixed", "dark": "absolute|flex|rgb(66, 66, 66)|fixed"}[theme]
	if got != want {
		t.Errorf("theme %s: the bar is %q, want %q", theme, got, want)
	}
}

// Redis being down is said on a page of the console's own.
func TestQueuesWithoutRedisInABrowser(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, "redis://127.0.0.1:1")
	server := httptest.NewServer(x.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)

	for _, width := range []int64{1440, 420} {
		tab.Look("light", width)
		tab.Go(server.URL+queuesRoot, "Redis does not answer")
		tab.Shoot(fmt.Sprintf("asynqmon-down-%d", width))
	}
}
