package web

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestStats(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.register("oasis")
	x.whole()
	x.send(http.MethodPost, "/webhooks/salla", delivery, signed(delivery))

	a := x.api(http.StatusOK, http.MethodGet, "/stats", "")

	openAPI(t).check("Stats", a.Body)
	want := `{"tenants":{"deleted":0,"deprovisioning":0,"failed":0,"pending":0,"provisioning":1,"ready":0,"suspended":1},` +
		`"events":{"applied":0,"failed":0,"ignored":0,"received":1,"waiting":0},` +
		`"lanes":[{"lane":"imports","pending":3,"active":2,"retry":1,"archived":4,"oldest_seconds":1.5}],` +
		`"imports":{"cancelled":0,"complete":0,"failed":0,"incomplete":1,"paused":0,"pending":0,"running":0,"waiting":0},"circuits":[]}` + "\n"
	if string(a.Body) != want {
		t.Errorf("stats = %s, want %s", a.Body, want)
	}
}

func TestStatsWhileRedisIsDown(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.bell.err = errors.New("redis is down")

	a := x.api(http.StatusOK, http.MethodGet, "/stats", "")

	openAPI(t).check("Stats", a.Body)
	if !strings.Contains(string(a.Body), `"lanes":[]`) {
		t.Errorf("stats = %s, want no lanes", a.Body)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	x := newSite(t)

	if a := x.send(http.MethodGet, "/readyz", "", nil); a.Code != http.StatusOK ||
		string(a.Body) != `{"status":"ok","checks":{"postgres":"ok","schema":"ok","redis":"ok"}}`+"\n" {
		t.Errorf("readyz: %d %s", a.Code, a.Body)
	}
	x.s.Schema++
	a := x.send(http.MethodGet, "/readyz", "", nil)
	if a.Code != http.StatusServiceUnavailable || !strings.Contains(string(a.Body), "run wosool migrate") {
		t.Errorf("readyz on an older schema: %d %s, want 503", a.Code, a.Body)
	}
	openAPI(t).check("Alive", x.send(http.MethodGet, "/healthz", "", nil).Body)
}
