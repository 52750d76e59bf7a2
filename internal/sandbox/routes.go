package sandbox

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// routes mounts the systems. Each has its own errors for a path or a method
// that it does not have, and its own faults in front.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Mount("/salla/admin/v2", http.StripPrefix("/salla/admin/v2", s.guard(systemSalla, s.sallaRoutes())))
	r.Mount("/salla-accounts", http.StripPrefix("/salla-accounts", s.guard(systemAccounts, s.accountsRoutes())))
	r.Mount("/clerk/v1", http.StripPrefix("/clerk/v1", s.guard(systemClerk, s.clerkRoutes())))
	r.Get("/clerk/.well-known/jwks.json", s.publicKeys)
	r.Mount("/twenty", http.StripPrefix("/twenty", s.guard(systemTwenty, s.twentyRoutes())))
	r.Mount("/_sandbox", http.StripPrefix("/_sandbox", s.controlRoutes()))
	return r
}

// twentyRoutes is Twenty as far as it is served: it is alive.
func (s *Server) twentyRoutes() http.Handler {
	r := chi.NewRouter()
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, []byte(`{"status":"ok","info":{},"error":{},"details":{}}`))
	})
	return r
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller is gone; nothing to do about it
}
