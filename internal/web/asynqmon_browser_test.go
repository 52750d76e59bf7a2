package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdpnetwork "github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/hibiken/asynq"

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
	tab := newQueuesTab(t)

	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1440, 420} {
			tab.look(theme, width)
			for name, page := range map[string]struct{ path, shows string }{
				"queues":    {"", "provisioning"},
				"lane":      {"/queues/provisioning?status=archived", ref.TaskID()[:20]},
				"task":      {"/queues/provisioning/tasks/" + ref.TaskID(), ref.ID.String()},
				"redis":     {"/redis", "redis_version"},
				"servers":   {"/servers", "No servers found"},
				"schedules": {"/schedulers", "No entries"},
				"settings":  {"/settings", "Polling"},
			} {
				tab.open(server.URL+queuesRoot+page.path, page.shows)
				tab.styled(theme)
				tab.shoot(fmt.Sprintf("asynqmon-%s-%s-%d", name, theme, width))
			}
		}
	}

	tab.look("light", 1440)
	tab.open(server.URL+queuesRoot+"/queues/provisioning?status=archived", ref.TaskID()[:20])
	tab.hoverAndClick(ref.TaskID(), "Run")
	inspector := asynq.NewInspectorFromRedisClient(x.rdb)
	dbtest.Eventually(t, 10*time.Second, "the archived task is pending", func() bool {
		info, err := inspector.GetTaskInfo(ref.Lane, ref.TaskID())
		return err == nil && info.State == asynq.TaskStatePending
	})
	if got := one[string](x.site, `SELECT act || ': ' || subject FROM audit`); got != "task.run: archived task "+ref.TaskID()+" of lane provisioning" {
		t.Errorf("the audit says %q", got)
	}
	tab.clean(server.URL)
}

// queuesTab is a tab of Chromium that notes what goes wrong in it.
type queuesTab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string
	asked  []string
}

func newQueuesTab(t *testing.T) *queuesTab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	tab := &queuesTab{t: t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium (apt-get install chromium): %v", err)
	}
	messages, requests := chromedp.Console(ctx), chromedp.Events(ctx, cdpnetwork.RequestWillBeSent)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == chromedp.ConsoleError || m.Source == "security" {
				tab.note(&tab.faults, m.String())
			}
		}
	}()
	go func() {
		for r, err := range requests {
			if err != nil {
				return
			}
			tab.note(&tab.asked, r.Request.URL)
		}
	}()
	if _, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		_, err := cdp.Call(ctx, t, cdpnetwork.Enable, cdpnetwork.EnableParams{})
		return cdp.Empty{}, err
	}); err != nil {
		t.Fatal(err)
	}
	return tab
}

func (tab *queuesTab) note(list *[]string, what string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	*list = append(*list, what)
}

// do runs steps within a time that no step needs.
func (tab *queuesTab) do(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.t.Fatalf("in the browser: %v; console %q", err, tab.faults)
	}
}

// look sets the width of the window and the theme that the system prefers.
func (tab *queuesTab) look(theme string, width int64) {
	tab.t.Helper()
	tab.do(chromedp.EmulateViewport(width, 900), func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			},
		})
		return chromedp.Void{}, err
	})
}

// open goes to an address and waits until the page shows a text.
func (tab *queuesTab) open(address, text string) {
	tab.t.Helper()
	tab.do(chromedp.Navigate(address))
	tab.await(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// await waits until an expression holds.
func (tab *queuesTab) await(expression string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, 30*time.Second)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression)); err != nil {
		body, _ := chromedp.Run(tab.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		tab.t.Fatalf("await %s: %v; the page says %q, the console %q", expression, err, body, tab.faults)
	}
}

// styled fails unless the style library's sheets took effect, in the theme.
func (tab *queuesTab) styled(theme string) {
	tab.t.Helper()
	got, err := chromedp.Run(tab.ctx, chromedp.Evaluate[string](`(() => {
		const bar = getComputedStyle(document.querySelector("header"));
		const back = getComputedStyle(document.querySelector("#back"));
		return [bar.position, bar.display, bar.backgroundColor, back.position].join("|")
	})()`))
	if err != nil {
		tab.t.Fatal(err)
	}
	want := map[string]string{"light": "absolute|flex|rgb(255, 255, 255)|fixed", "dark": "absolute|flex|rgb(66, 66, 66)|fixed"}[theme]
	if got != want {
		tab.t.Errorf("theme %s: the bar is %q, want %q", theme, got, want)
	}
}

// shoot keeps a picture for the eye among the test's artefacts.
func (tab *queuesTab) shoot(name string) {
	tab.t.Helper()
	picture, err := chromedp.Run(tab.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		tab.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tab.t.ArtifactDir(), name+".png"), picture, 0o600); err != nil {
		tab.t.Fatal(err)
	}
}

// hoverAndClick presses a button of the row that shows a task's id.
func (tab *queuesTab) hoverAndClick(taskID, button string) {
	tab.t.Helper()
	cell := fmt.Sprintf(`//tr[contains(., %q)]/td[last()]`, taskID[:20])
	tab.do(chromedp.WaitVisible(chromedp.Search(cell)), chromedp.Click(chromedp.Search(cell)))
	press := fmt.Sprintf(`(() => {
		const row = [...document.querySelectorAll("tr")].find(r => r.innerText.includes(%q));
		const b = row && [...row.querySelectorAll("button")].find(b => b.title === %q || b.getAttribute("aria-label") === %q || b.innerText === %q);
		if (b) b.click();
		return !!b
	})()`, taskID[:20], button, button, button)
	tab.await(press)
}

// clean fails if anything went wrong in the tab, or it asked another server.
func (tab *queuesTab) clean(own string) {
	tab.t.Helper()
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, f := range tab.faults {
		tab.t.Errorf("console: %s", f)
	}
	if len(tab.asked) == 0 {
		tab.t.Error("no request was seen")
	}
	for _, address := range tab.asked {
		if !strings.HasPrefix(address, own+"/") && !strings.HasPrefix(address, "data:") {
			tab.t.Errorf("the page asked %s", address)
		}
	}
}

// Redis being down is said on a page of the console's own.
func TestQueuesWithoutRedisInABrowser(t *testing.T) {
	t.Parallel()
	x := newQueuesSite(t, "redis://127.0.0.1:1")
	server := httptest.NewServer(x.h)
	t.Cleanup(server.Close)
	tab := newQueuesTab(t)

	for _, width := range []int64{1440, 420} {
		tab.look("light", width)
		tab.open(server.URL+queuesRoot, "Redis does not answer")
		tab.shoot(fmt.Sprintf("asynqmon-down-%d", width))
	}
}
