package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// A viewer sees Asynqmon and what it holds, is offered no act by it, and is refused
// in words that its page can show when they act all the same.
func TestViewersOnlyLookAtAsynqmon(t *testing.T) {
	t.Parallel()
	address := dbtest.Redis(t)
	d := deskWith(t, address)
	opt, err := tasks.ConnOpt(address)
	if err != nil {
		t.Fatal(err)
	}
	d.s.Asynqmon = NewAsynqmon(opt)
	t.Cleanup(func() { _ = d.s.Asynqmon.Close() })
	d.h = d.s.Handler()
	ref := tasks.Ref{Kind: "tenant:provision", ID: uuid.New(), Epoch: 4, Lane: tasks.LaneProvisioning}
	if err := d.s.Queue.Enqueue(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	inspector := asynq.NewInspectorFromRedisClient(d.rdb)
	if err := inspector.ArchiveTask(ref.Lane, ref.TaskID()); err != nil {
		t.Fatal(err)
	}
	viewer, operator := d.cookieOf(t, store.RoleViewer), d.cookieOf(t, store.RoleOperator)

	for cookie, want := range map[string]string{viewer: `FLAG_READ_ONLY="true"`, operator: `FLAG_READ_ONLY="false"`} {
		page := string(d.send(http.MethodGet, queuesRoot, "", map[string]string{"Cookie": cookie}).Body)
		if !strings.Contains(page, want) || strings.Contains(page, `id="look"`) != (cookie == viewer) || strings.Contains(page, "@@") {
			t.Errorf("want %s, and the note for viewers only: %s", want, page)
		}
	}
	set := queuesRoot + "/api/queues/provisioning/archived_tasks"
	if a := d.send(http.MethodGet, set, "", map[string]string{"Cookie": viewer}); a.Code != http.StatusOK || !strings.Contains(string(a.Body), ref.ID.String()) {
		t.Errorf("a viewer's look: %d %s", a.Code, a.Body)
	}
	for call, method := range map[string]string{
		set + "/" + ref.TaskID() + ":run": http.MethodPost, set + ":delete_all": http.MethodDelete, queuesRoot + "/api/queues/provisioning:pause": http.MethodPost,
	} {
		a := d.send(method, call, "", map[string]string{"Cookie": viewer, "Accept": "application/json, text/plain, */*"})
		if a.Code != http.StatusForbidden || string(a.Body) != "This needs the role operator, so nothing was done: ask an admin to give it to you, or to do it.\n" {
			t.Errorf("%s %s: %d %s", method, call, a.Code, a.Body)
		}
	}
	if info, err := inspector.GetTaskInfo(ref.Lane, ref.TaskID()); err != nil || info.State != asynq.TaskStateArchived {
		t.Errorf("the task is %v, %v; want it left alone", info, err)
	}
	if n := one[int](d.site, `SELECT count(*) FROM audit`); n != 0 {
		t.Errorf("%d lines of audit of what was refused", n)
	}

	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	look := func(cookie string) string {
		name, value, _ := strings.Cut(cookie, "=")
		tab.Cookie(server.URL, name+"="+value)
		tab.Go(server.URL+queuesRoot+"/queues/provisioning?status=archived", ref.TaskID()[:20])
		return tab.Text(`[document.querySelectorAll("#root table input[type=checkbox]").length > 0,
			[...document.querySelectorAll("#root table th")].some(th => th.innerText.includes("Actions"))].join()`)
	}
	if got := look(operator); got != "true,true" {
		t.Errorf("an operator can choose tasks and act on them: %s; the test of viewers proves nothing", got)
	}
	if got := look(viewer); got != "false,false" {
		t.Errorf("a viewer can choose tasks and act on them: %s", got)
	}
	tab.Shows("You look only")
	tab.Shoot("asynqmon-viewer")
	tab.Clean(server.URL)
}
