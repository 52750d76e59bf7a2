package web

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// importOf returns the run that a request's path names, and its tenant.
func (s *Server) importOf(r *http.Request) (store.Run, store.Tenant, error) {
	id, err := pathID(r, "import")
	if err != nil {
		return store.Run{}, store.Tenant{}, err
	}
	run, err := s.DB.Run(r.Context(), id)
	if err != nil {
		return run, store.Tenant{}, err
	}
	t, err := s.DB.Tenant(r.Context(), run.TenantID)
	return run, t, err
}

func (s *Server) pauseImportAct(w http.ResponseWriter, r *http.Request) error {
	return s.importAct(w, r, s.DB.PauseImport, "Paused: what is stored stays. Resume goes on from here.")
}

func (s *Server) resumeImportAct(w http.ResponseWriter, r *http.Request) error {
	return s.importAct(w, r, s.DB.ResumeImport, "Resumed: it goes on where it stopped.")
}

func (s *Server) retryImportAct(w http.ResponseWriter, r *http.Request) error {
	return s.importAct(w, r, s.DB.RetryImport, "Retried: what had failed goes on, with no attempts spent.")
}

// cancelImportForm asks before an import is ended.
func (s *Server) cancelImportForm(w http.ResponseWriter, r *http.Request) error {
	run, t, err := s.importOf(r)
	if err != nil {
		return err
	}
	path := importHref(run.ID)
	return s.confirm(w, r, "imports", templates.ConfirmView{
		Title: "Cancel the import", Text: importTitle(run) + " of " + t.Name + " ends where it is.",
		Facts: []string{
			"What it has stored stays in the store's CRM.",
			"It can't be resumed. A new import reads the lists again and leaves what is the same as it is.",
			"An import that is queued behind it begins.",
		},
		Back: path, Act: templates.ActView{Action: path + "/cancel", Label: "Cancel the import", Danger: true},
	})
}

func (s *Server) cancelImportAct(w http.ResponseWriter, r *http.Request) error {
	return s.importAct(w, r, s.DB.CancelImport, "Cancelled: what it had stored stays.")
}

// importAct does one act on an import and leads back to its page, or to the one that
// the form was on, which says what was done, or why it could not be.
func (s *Server) importAct(w http.ResponseWriter, r *http.Request,
	do func(context.Context, uuid.UUID, uuid.UUID, store.Actor) (store.Tenant, []store.Task, error), done string,
) error {
	run, _, err := s.importOf(r)
	if err != nil {
		return err
	}
	back := importHref(run.ID)
	if r.PostFormValue("back") == "tenant" {
		back = tenantHref(run.TenantID)
	}
	_, todo, err := do(r.Context(), run.TenantID, run.ID, operatorActor(r.Context()))
	return s.actedAt(w, r, back, todo, err, done)
}

// lookedForRun is the run whose choice a form begins with, or nil.
func (s *Server) lookedForRun(r *http.Request, tenantID uuid.UUID) (*store.Run, error) {
	given := r.URL.Query().Get("like")
	if given == "" {
		return nil, nil //nolint:nilnil // no run is an answer
	}
	id, err := uuid.Parse(given)
	if err != nil {
		return nil, malformed("like", "like must be the id of an import")
	}
	run, err := s.DB.Run(r.Context(), id)
	if err == nil && run.TenantID != tenantID {
		err = fault.New(fault.NotFound, "there is no such import")
	}
	return &run, err
}
