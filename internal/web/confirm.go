package web

import (
	"net/http"
	"strings"

	"github.com/wosool/wosool/templates"
)

// confirm answers the page that asks before an act: at GET of the act's own
// address, and again after a POST that did not have the word.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request, section string, v templates.ConfirmView) error {
	status := http.StatusOK
	if v.Error != "" {
		status = http.StatusUnprocessableEntity
	}
	return s.render(w, r, status, templates.ConfirmPage(s.frame(r, v.Title, section), v))
}

// confirmed tells whether a posted form has the word that the act asks for.
// Browsers show runs of spaces as one, so they count as one.
func confirmed(r *http.Request, word string) bool {
	return strings.Join(strings.Fields(r.PostFormValue("confirm")), " ") == strings.Join(strings.Fields(word), " ")
}
