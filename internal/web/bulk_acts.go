package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

// bulkTry is what somebody sent to start a bulk act, to be shown again where it was
// refused.
type bulkTry struct {
	why, typed, since string
	given             store.BulkArguments

	whyError, typedError, sinceError string
}

// refused tells whether the act may not start like this.
func (t bulkTry) refused() bool { return t.whyError != "" || t.typedError != "" || t.sinceError != "" }

// readBulkTry reads the form that starts b, and what is wrong with it.
func readBulkTry(r *http.Request, b store.Bulk) (bulkTry, error) {
	if err := r.ParseForm(); err != nil {
		return bulkTry{}, malformed("", "the form can't be read")
	}
	t := bulkTry{
		why:   strings.Join(strings.Fields(strings.ToValidUTF8(strings.ReplaceAll(r.PostForm.Get("why"), "\x00", ""), "")), " "),
		typed: strings.TrimSpace(r.PostForm.Get("confirm")), since: r.PostForm.Get("since"),
	}
	t.given.Resources = r.PostForm["resources"]
	if t.given.Since, t.sinceError = readSince(r); t.sinceError != "" {
		t.sinceError += " Nothing was started."
	}
	if n := utf8.RuneCountInString(t.why); n < 3 || n > 500 {
		t.whyError = "Say why, in 3 to 500 letters: nothing was started."
	}
	if word := bulkWord(b); word != "" && digitsOf(t.typed) != digitsOf(word) {
		t.typedError = "That is not how many are chosen: nothing was started."
	}
	for _, resource := range t.given.Resources {
		if !slices.Contains(tenant.Resources(), resource) {
			return t, invalid("resources", "resources must be of those that the form lists")
		}
	}
	return t, nil
}

// bulkWord is what has to be typed before b starts: how many are chosen, where it
// takes something away from people; else "".
func bulkWord(b store.Bulk) string {
	if b.Act == store.BulkSuspend {
		return templates.Count(b.Total)
	}
	return ""
}

// digitsOf drops what people write between the digits of a number. Arabic digits are
// those of the same number.
func digitsOf(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case r >= '٠' && r <= '٩':
			return r - '٠' + '0'
		case r == ',' || r == '.' || r == ' ' || r == '٬' || r == '\u00a0' || r == '\u202f':
			return -1
		}
		return r
	}, text)
}

// startBulk starts a bulk act that was chosen.
func (s *Server) startBulk(w http.ResponseWriter, r *http.Request) error {
	b, err := s.bulkOf(r)
	if err != nil {
		return err
	}
	try, err := readBulkTry(r, b)
	if err != nil {
		return err
	}
	if try.refused() && b.Status == store.BulkReady {
		return s.showBulk(w, r, http.StatusUnprocessableEntity, b, try)
	}
	todo, err := s.DB.StartBulk(r.Context(), b.ID, store.BulkStart{Reason: try.why, Arguments: try.given}, operatorActor(r.Context()))
	return s.actedAt(w, r, bulkHref(b.ID), todo, err, "Started: it goes through them by itself, also when you leave this page.")
}

// dropBulk forgets a choice.
func (s *Server) dropBulk(w http.ResponseWriter, r *http.Request) error {
	b, err := s.bulkOf(r)
	if err != nil {
		return err
	}
	if err := s.DB.DropBulk(r.Context(), b.ID, operatorActor(r.Context())); err != nil {
		return s.actedAt(w, r, bulkHref(b.ID), nil, err, "")
	}
	return s.back(w, r, bulkList(b.Kind), templates.Notice{Kind: templates.Off, Text: "Left as they are: nothing was done."})
}

func (s *Server) pauseBulk(w http.ResponseWriter, r *http.Request) error {
	return s.bulkAct(w, r, "Paused: what is done stays. Resume goes on from here.", func(id uuid.UUID) ([]store.Task, error) {
		return nil, s.DB.PauseBulk(r.Context(), id, operatorActor(r.Context()))
	})
}

func (s *Server) resumeBulk(w http.ResponseWriter, r *http.Request) error {
	return s.bulkAct(w, r, "Resumed: it goes on with what is left.", func(id uuid.UUID) ([]store.Task, error) {
		return s.DB.ResumeBulk(r.Context(), id, operatorActor(r.Context()))
	})
}

func (s *Server) cancelBulk(w http.ResponseWriter, r *http.Request) error {
	return s.bulkAct(w, r, "Cancelled: what was done stays, the rest is left alone.", func(id uuid.UUID) ([]store.Task, error) {
		return nil, s.DB.CancelBulk(r.Context(), id, operatorActor(r.Context()))
	})
}

func (s *Server) bulkAct(w http.ResponseWriter, r *http.Request, done string, do func(uuid.UUID) ([]store.Task, error)) error {
	id, err := pathID(r, "bulk act")
	if err != nil {
		return err
	}
	todo, err := do(id)
	return s.actedAt(w, r, bulkHref(id), todo, err, done)
}

// undoBulk chooses what a bulk act changed, and leads to the page that says what
// taking it back would do.
func (s *Server) undoBulk(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "bulk act")
	if err != nil {
		return err
	}
	undo, err := s.DB.ChooseUndo(r.Context(), id, operatorActor(r.Context()))
	if errors.Is(err, fault.Conflict) {
		return s.actedAt(w, r, bulkHref(id), nil, err, "")
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, bulkHref(undo.ID), http.StatusSeeOther)
	return nil
}
