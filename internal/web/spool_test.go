package web

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/migrations"
)

// While PostgreSQL is down the answer to an authorize is 503, whether it could be kept
// on disk or not; what was kept is committed and queued when PostgreSQL is back.
func TestFaultSpoolBehindTheWebhook(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnPostgres(t)
	if err := migrations.Up(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	pool, err := store.Open(t.Context(), server.URL(), "test", 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	x := siteOn(t, pool)
	folder := filepath.Join(t.TempDir(), "spool")
	if x.s.Inbox.Spool, err = events.OpenSpool(folder, x.s.Inbox.Keys, x.s.Log); err != nil {
		t.Fatal(err)
	}
	refuse := func(body string, waiting int) {
		t.Helper()
		a := x.send(http.MethodPost, "/webhooks/salla", body, signed(body))
		if a.Code != http.StatusServiceUnavailable || a.code() != "unavailable" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d %v %s, want 503 unavailable with Retry-After", a.Code, a.Header, a.Body)
		}
		if s := x.s.Inbox.Spool.State(); s.Waiting != waiting {
			t.Errorf("%+v, want %d waiting", s, waiting)
		}
	}
	const authorize = `{"event":"app.store.authorize","merchant":7,"created_at":"2026-11-01 12:00:00","data":{"access_token":"a","refresh_token":"r"}}`
	server.Stop()

	refuse(authorize, 1)
	refuse(delivery, 1)
	if a := x.send(http.MethodPost, "/webhooks/salla", authorize+" ", signed(authorize)); a.Code != http.StatusUnauthorized || x.s.Inbox.Spool.State().Waiting != 1 {
		t.Errorf("unverified: %d, %+v", a.Code, x.s.Inbox.Spool.State())
	}
	aside := folder + "-aside"
	if err := os.Rename(folder, aside); err != nil {
		t.Fatal(err)
	}
	refuse(authorize, 0)
	if err := os.Rename(aside, folder); err != nil {
		t.Fatal(err)
	}

	server.Start()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		x.s.DrainSpool(ctx)
	}()
	dbtest.Eventually(t, 30*time.Second, "the spool is drained and its task queued", func() bool {
		return x.s.Inbox.Spool.State().Waiting == 0 && len(x.bell.kinds()) == 1
	})
	stop()
	<-ended
	if n := one[int](x, `SELECT count(*) FROM events WHERE event = 'app.store.authorize' AND status = 'received'`); n != 1 || x.bell.kinds()[0] != store.KindEventApply {
		t.Errorf("%d events, rung for %v", n, x.bell.kinds())
	}
}
