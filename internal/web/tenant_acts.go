package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

func (s *Server) retryTenantAct(w http.ResponseWriter, r *http.Request) error {
	return s.tenantAct(w, r, s.DB.RetryTenant, "Retried: it goes on with the step that failed, with no attempts spent.")
}

func (s *Server) resumeTenantAct(w http.ResponseWriter, r *http.Request) error {
	return s.tenantAct(w, r, s.DB.ResumeTenant, "Resumed: its database opens again, and what waited goes on by itself.")
}

// tenantAct does one act on a tenant and leads back to its page, which says what
// was done, or why it could not be.
func (s *Server) tenantAct(w http.ResponseWriter, r *http.Request,
	do func(context.Context, uuid.UUID, store.Actor) (store.Tenant, []store.Task, error), done string,
) error {
	id, err := pathID(r, "tenant")
	if err != nil {
		return err
	}
	_, todo, err := do(r.Context(), id, operatorActor(r.Context()))
	return s.acted(w, r, id, todo, err, done)
}

// acted ends an act on a tenant. One that its status does not allow is no failure:
// the page says why.
func (s *Server) acted(w http.ResponseWriter, r *http.Request, id uuid.UUID, todo []store.Task, err error, done string) error {
	return s.actedAt(w, r, tenantHref(id), todo, err, done)
}

// actedAt is acted for an act that leads elsewhere.
func (s *Server) actedAt(w http.ResponseWriter, r *http.Request, path string, todo []store.Task, err error, done string) error {
	if conflict, ok := errors.AsType[*fault.Error](err); ok && conflict.Kind == fault.Conflict {
		return s.back(w, r, path, templates.Notice{
			Kind: templates.Wait, Text: "Nothing was changed: " + closed(conflict.Msg),
		})
	}
	if err != nil {
		return err
	}
	s.ring(r.Context(), s.Queue.Wake, todo)
	return s.back(w, r, path, templates.Notice{Kind: templates.Well, Text: done})
}

// suspendForm asks for the store's name or slug before it is suspended.
func (s *Server) suspendForm(w http.ResponseWriter, r *http.Request) error {
	t, err := s.tenantOf(r)
	if err != nil {
		return err
	}
	return s.confirm(w, r, "tenants", suspendView(t, ""))
}

func (s *Server) suspendTenantAct(w http.ResponseWriter, r *http.Request) error {
	t, err := s.tenantOf(r)
	if err != nil {
		return err
	}
	if word, what := suspendWord(t); !confirmed(r, word) {
		return s.confirm(w, r, "tenants", suspendView(t, "That is not the store's "+what+": nothing was changed."))
	}
	return s.tenantAct(w, r, s.DB.SuspendTenant, "Suspended: its database takes no logins any more; its events are kept and wait.")
}

// suspendWord is what confirms that t is meant, and what it is called: its name,
// or the slug of a store whose name can't be typed.
func suspendWord(t store.Tenant) (word, what string) {
	if strings.TrimSpace(t.Name) == "" {
		return t.Slug, "slug"
	}
	return t.Name, "name"
}

func suspendView(t store.Tenant, mistake string) templates.ConfirmView {
	path := tenantHref(t.ID)
	word, _ := suspendWord(t)
	return templates.ConfirmView{
		Title: "Suspend " + word, Text: "The store's people can't use their CRM until it is resumed.",
		Facts: []string{
			"Its database takes no logins; nothing in it is removed.",
			"Events from Salla are kept and wait; they are applied when it is resumed.",
			"A running import stops where it is and goes on from there.",
			"Resume undoes it. A new installation of the app does not.",
		},
		Word: word, Error: mistake, Back: path,
		Act: templates.ActView{Action: path + "/suspend", Label: "Suspend", Danger: true},
	}
}

// importForm asks what to import again.
func (s *Server) importForm(w http.ResponseWriter, r *http.Request) error {
	t, err := s.tenantOf(r)
	if err != nil {
		return err
	}
	like, err := s.lookedForRun(r, t.ID)
	if err != nil {
		return err
	}
	var chosen []string
	var since string
	if like != nil { // all of it is the same as nothing ticked
		if len(like.Resources) < len(tenant.Resources()) {
			chosen = like.Resources
		}
		if like.Since != nil {
			since = like.Since.In(salla.Riyadh()).Format(time.DateOnly)
		}
	}
	return s.importPage(w, r, http.StatusOK, chosen, since, "")
}

func (s *Server) importPage(w http.ResponseWriter, r *http.Request, status int, chosen []string, since, mistake string) error {
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	path := tenantHref(x.tenant.ID)
	v := templates.ImportFormView{
		Head: x.head("", moments(r)), Action: path + "/import", Back: path, Scope: importScopeOf(chosen, since, mistake),
		Note: "Reads the store's lists again and stores what is new or changed; what is the same stays as it is. " +
			"While another import is open it is queued behind that one.",
	}
	return s.render(w, r, status, templates.TenantImport(s.frame(r, x.tenant.Name+": import", "tenants"), v))
}

// importScopeOf is what a form asks about what to import.
func importScopeOf(chosen []string, since, mistake string) templates.ImportScope {
	v := templates.ImportScope{Since: since, Error: mistake}
	for _, resource := range tenant.Resources() {
		v.Resources = append(v.Resources, templates.Choice{
			Name: resource, Label: resourceWords(resource), On: slices.Contains(chosen, resource),
		})
	}
	return v
}

// readSince reads the day at Salla from which orders are imported; mistake says what is
// wrong with it.
func readSince(r *http.Request) (since *time.Time, mistake string) {
	given := r.PostFormValue("since")
	if given == "" {
		return nil, ""
	}
	day, err := time.ParseInLocation(time.DateOnly, given, salla.Riyadh())
	if err != nil || day.After(time.Now()) {
		return nil, "The day must be one that has been, such as 2026-01-31."
	}
	return &day, ""
}

func (s *Server) importTenantAct(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "tenant")
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return malformed("", "the form can't be read")
	}
	resources, given := r.PostForm["resources"], r.PostFormValue("since")
	since, mistake := readSince(r)
	if mistake != "" {
		return s.importPage(w, r, http.StatusUnprocessableEntity, resources, given, mistake)
	}
	_, todo, err := s.DB.ImportTenant(r.Context(), id, resources, since, operatorActor(r.Context()))
	if errors.Is(err, fault.Invalid) {
		return s.importPage(w, r, http.StatusUnprocessableEntity, nil, given, "Choose among the resources that are listed.")
	}
	done := "The import begins within seconds."
	if len(todo) == 0 {
		done = "Another import of this store is open: this one is queued, and begins when that one has ended."
	}
	return s.acted(w, r, id, todo, err, done)
}
