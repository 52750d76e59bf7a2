package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// noteRoutes are the page of a tenant's notes and its acts, under the tenant's address.
func (s *Server) noteRoutes(r chi.Router) {
	r.Get("/notes", s.handle(s.notesPage))
	r.Post("/notes", s.handle(s.addNoteAct))
	r.Post("/notes/{note}/remove", s.handle(s.removeNoteAct))
}

// notesPage shows what operators wrote down about a tenant, newest first.
func (s *Server) notesPage(w http.ResponseWriter, r *http.Request) error {
	return s.notesAt(w, r, http.StatusOK, "", "")
}

// notesAt is the page of notes with what was written in its form, and why it was refused.
func (s *Server) notesAt(w http.ResponseWriter, r *http.Request, status int, given, mistake string) error {
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	k, err := readKeyset(r)
	if err != nil {
		return err
	}
	notes, more, err := s.DB.Notes(r.Context(), x.tenant.ID, k.Cursor, k.Newer, pageSize)
	if err != nil {
		return err
	}
	path := tenantHref(x.tenant.ID) + "/notes"
	if k.toTop(more) {
		http.Redirect(w, r, path, http.StatusSeeOther)
		return nil
	}
	at := moments(r)
	v := templates.NotesView{Head: x.head("notes", at), Action: path, Most: store.NoteMost, Given: given, Error: mistake}
	for _, n := range notes {
		v.Rows = append(v.Rows, noteView(n, path, operatorOf(r.Context()), at))
	}
	if n := len(notes); n > 0 {
		v.Pager = k.pager(path, nil, notes[0].ID, notes[n-1].ID, more)
	} else {
		v.Empty = &templates.EmptyView{
			Title: "No note yet", Text: "Write down what the next one at this page should know: what was agreed with the merchant, what was tried.",
		}
	}
	return s.render(w, r, status, templates.Notes(s.frame(r, x.tenant.Name+": notes", "tenants"), v))
}

// noteView is one note as who looks may see it.
func noteView(n store.Note, path string, who Operator, at func(time.Time) templates.Moment) templates.NoteView {
	v := templates.NoteView{Body: n.Body, Author: n.Author, Written: at(n.CreatedAt)}
	if n.RemovedAt != nil {
		removed := at(*n.RemovedAt)
		v.Removed, v.RemovedBy, v.Body = &removed, text(n.RemovedBy), ""
		return v
	}
	if n.Author == who.Email || who.Role.Covers(store.RoleAdmin) {
		v.Remove = &templates.ActView{Action: path + "/" + n.ID.String() + "/remove", Label: "Remove", Of: "the note of " + n.Author}
	}
	return v
}

// addNoteAct writes a note. One that is refused is shown again as it was written.
func (s *Server) addNoteAct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "tenant")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return malformed("", "the form can't be read")
	}
	body := r.PostFormValue("body")
	_, err = s.DB.AddNote(r.Context(), id, body, operatorActor(r.Context()))
	if refused, ok := errors.AsType[*fault.Error](err); ok && refused.Kind == fault.Invalid {
		return s.notesAt(w, r, http.StatusUnprocessableEntity, body, sentence(refused.Msg))
	}
	if err != nil {
		return err
	}
	return s.back(w, r, tenantHref(id)+"/notes", templates.Notice{Kind: templates.Well, Text: "The note is kept."})
}

// removeNoteAct takes a note back: one's own, or as an admin anybody's.
func (s *Server) removeNoteAct(w http.ResponseWriter, r *http.Request) error {
	tenantID, err := pathID(r, "tenant")
	if err != nil {
		return err
	}
	id, err := idOf(r, "note", "note")
	if err != nil {
		return err
	}
	others := operatorOf(r.Context()).Role.Covers(store.RoleAdmin)
	err = s.DB.RemoveNote(r.Context(), tenantID, id, others, operatorActor(r.Context()))
	return s.actedAt(w, r, tenantHref(tenantID)+"/notes", nil, err, "Removed: that it was there, and who removed it, is still shown.")
}
