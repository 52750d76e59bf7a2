package web

import (
	"net/http"

	"github.com/wosool/wosool/internal/store"
)

// actsNeed lets only those do acts whose role covers the given one. Whatever does not
// only look is an act: a route that nobody thought of is refused.
func (s *Server) actsNeed(role store.Role) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		refuse := s.needs(role)(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isAct(r) {
				refuse.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// needs lets only those pass whose role covers the given one. Others are told so: on
// a page who asks for one, else in plain text.
func (s *Server) needs(role store.Role) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case operatorOf(r.Context()).Role.Covers(role):
				next.ServeHTTP(w, r)
			case asksForPage(r):
				s.fail(w, r, &problem{Status: http.StatusForbidden, Code: codeForbidden, Message: roleMissing(role)})
			default: // Asynqmon's page shows the words as they are
				http.Error(w, sentence(roleMissing(role)), http.StatusForbidden)
			}
		})
	}
}

func roleMissing(role store.Role) string {
	return "this needs the role " + string(role) + ", so nothing was done: ask an admin to give it to you, or to do it"
}
