package web

import (
	"context"
	"net/http"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/wosool/wosool/templates"
)

// writePage answers a problem in the console's own frame.
func (s *Server) writePage(w http.ResponseWriter, r *http.Request, p *problem) {
	r = r.WithContext(context.WithoutCancel(r.Context())) // the time for the page may be what is over
	f := s.frame(r, "", "")
	v := failedView(p, w.Header().Get("X-Request-Id"))
	f.Title = v.Title
	if p.Retry > 0 {
		w.Header().Set("Retry-After", seconds(p.Retry))
	}
	v.Retry = v.Retry && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	if err := s.render(w, r, p.Status, templates.Failed(f, v)); err != nil {
		s.Log.ErrorContext(r.Context(), "the page of a failure failed", "error", err)
		http.Error(w, p.Message, p.Status)
	}
}

// failedView says what happened and what to do about it.
func failedView(p *problem, request string) templates.ErrorView {
	v := templates.ErrorView{Status: strconv.Itoa(p.Status), Text: sentence(p.Message)}
	switch p.Status {
	case http.StatusNotFound:
		v.Title = "Nothing is here"
		v.Todo = "It may have been removed, or the address is not complete. Search finds it by merchant, name, domain or id."
	case http.StatusForbidden:
		v.Title = "This is not allowed"
	case http.StatusUnauthorized:
		v.Title = "Sign in first"
	case http.StatusMethodNotAllowed:
		v.Title = "This address is not a page"
		v.Todo = "It belongs to a button of another page. Go back and press it there."
	case http.StatusConflict:
		v.Title = "It can't be done as things are"
		v.Todo = "Nothing was changed. Look at its state now, then decide."
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		v.Title = "This can't be taken as it is"
		v.Todo = "Nothing was changed. Go back and change what was sent."
	case http.StatusTooManyRequests:
		v.Title, v.Retry = "Too many attempts", true
	case http.StatusServiceUnavailable:
		v.Title, v.Retry, v.Request = "Something we need does not answer", true, request
		v.Todo = "Deliveries are kept and work goes on by itself once it answers again."
	default:
		v.Title, v.Retry, v.Request = "This failed on our side", true, request
		v.Text = "The page could not be made. Nothing of yours is wrong."
		v.Todo = "Try again. If it fails again, find the request id in the log of the api process: the line says why."
	}
	return v
}

// sentence makes a sentence of an error's text.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if last := text[len(text)-1]; last != '.' && last != '?' && last != '!' {
		text += "."
	}
	return text
}
