package telemetry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Errorf("it asked %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(addr, ":")
	var said strings.Builder

	for _, where := range []string{addr, ":" + port, "0.0.0.0:" + port, "[::]:" + port} {
		if code := Healthcheck(t.Context(), where, "/healthz", &said); code != 0 {
			t.Errorf("%s: exit %d, want 0: %s", where, code, said.String())
		}
	}
	status = http.StatusInternalServerError
	if code := Healthcheck(t.Context(), addr, "/healthz", &said); code != 1 || !strings.Contains(said.String(), "500") {
		t.Errorf("a process that fails: exit %d, want 1 and why: %q", code, said.String())
	}
	server.Close()
	for _, where := range []string{addr, "", "nonsense"} {
		said.Reset()
		if code := Healthcheck(t.Context(), where, "/healthz", &said); code != 1 || said.Len() == 0 {
			t.Errorf("%q: exit %d, want 1 and why: %q", where, code, said.String())
		}
	}
}
