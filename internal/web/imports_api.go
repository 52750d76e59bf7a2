package web

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

func (s *Server) pauseImport(w http.ResponseWriter, r *http.Request) error {
	return s.importRunAct(w, r, s.DB.PauseImport)
}

func (s *Server) resumeImport(w http.ResponseWriter, r *http.Request) error {
	return s.importRunAct(w, r, s.DB.ResumeImport)
}

func (s *Server) cancelImport(w http.ResponseWriter, r *http.Request) error {
	return s.importRunAct(w, r, s.DB.CancelImport)
}

// importRunAct does one act on a tenant's open import, or on the one that the request
// names, and answers the tenant.
func (s *Server) importRunAct(w http.ResponseWriter, r *http.Request,
	do func(context.Context, uuid.UUID, uuid.UUID, store.Actor) (store.Tenant, []store.Task, error),
) error {
	id, err := pathID(r, "tenant")
	if err != nil {
		return err
	}
	var body struct {
		Import *string `json:"import"`
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	run := uuid.Nil
	if body.Import != nil {
		if run, err = uuid.Parse(*body.Import); err != nil {
			return invalid("import", "import must be the id of an import")
		}
	}
	t, todo, err := do(r.Context(), id, run, actor(r.Context()))
	if err != nil {
		return err
	}
	s.ring(r.Context(), s.Queue.Wake, todo)
	return s.answerTenant(w, r, http.StatusAccepted, t)
}
