package web

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// tenantPage is one page of the list of tenants.
type tenantPage struct {
	Data []Tenant `json:"data"`
	Next *string  `json:"next"`
}

func (s *Server) listTenants(w http.ResponseWriter, r *http.Request) error {
	f, err := tenantFilter(r)
	if err != nil {
		return err
	}
	size := f.Limit
	f.Limit++ // one more than is shown says whether the list goes on
	found, err := s.DB.Tenants(r.Context(), f)
	if err != nil {
		return err
	}
	page := tenantPage{Data: []Tenant{}}
	if len(found) > size {
		found = found[:size]
		next := cursorAfter(found[size-1].ID)
		page.Next = &next
	}
	page.Data, err = TenantRows(r.Context(), s.DB, found)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page)
}

func tenantFilter(r *http.Request) (f store.TenantFilter, err error) {
	if f.Limit, f.Cursor, err = paging(r); err != nil {
		return f, err
	}
	if f.Merchant, err = queryMerchant(r); err != nil {
		return f, err
	}
	if f.Status, err = queryOneOf(r, "status", names(tenant.Statuses())...); err != nil {
		return f, err
	}
	f.Q, err = queryText(r, "q")
	return f, err
}

func (s *Server) showTenant(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "tenant")
	if err != nil {
		return err
	}
	t, err := s.DB.Tenant(r.Context(), id)
	if err != nil {
		return err
	}
	return s.answerTenant(w, r, http.StatusOK, t)
}

func (s *Server) createTenant(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Name       string `json:"name"`
		Slug       string `json:"slug"`
		OwnerEmail string `json:"owner_email"`
		Merchant   *int64 `json:"merchant"`
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	given := tenant.Given{Name: body.Name, Slug: body.Slug, OwnerEmail: body.OwnerEmail, Merchant: body.Merchant}
	t, todo, err := s.DB.CreateTenant(r.Context(), given, actor(r.Context()))
	if err != nil {
		return err
	}
	s.ring(r.Context(), s.Queue.Enqueue, todo)
	return s.answerTenant(w, r, http.StatusAccepted, t)
}

func (s *Server) importTenant(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "tenant")
	if err != nil {
		return err
	}
	var body struct {
		Resources []string `json:"resources"`
		Since     *instant `json:"since"`
	}
	if err := decode(w, r, &body); err != nil {
		return err
	}
	t, todo, err := s.DB.ImportTenant(r.Context(), id, body.Resources, body.Since.time(), actor(r.Context()))
	if err != nil {
		return err
	}
	s.ring(r.Context(), s.Queue.Wake, todo)
	return s.answerTenant(w, r, http.StatusAccepted, t)
}

func (s *Server) retryTenant(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, s.DB.RetryTenant)
}

func (s *Server) suspendTenant(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, s.DB.SuspendTenant)
}

func (s *Server) resumeTenant(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, s.DB.ResumeTenant)
}

// deprovisionTenant refuses: nothing of a tenant is removed by this version.
func (s *Server) deprovisionTenant(w http.ResponseWriter, r *http.Request) error {
	return s.act(w, r, func(ctx context.Context, id uuid.UUID, _ store.Actor) (store.Tenant, []store.Task, error) {
		t, err := s.DB.Tenant(ctx, id)
		if err != nil {
			return store.Tenant{}, nil, err
		}
		return store.Tenant{}, nil, fault.New(fault.Conflict,
			"the %s tenant cannot be deprovisioned: this version keeps every tenant; suspend it instead", t.Status)
	})
}

// act does one act on a tenant that takes nothing but the tenant.
func (s *Server) act(w http.ResponseWriter, r *http.Request,
	do func(context.Context, uuid.UUID, store.Actor) (store.Tenant, []store.Task, error),
) error {
	id, err := pathID(r, "tenant")
	if err != nil {
		return err
	}
	if err := decode(w, r, &struct{}{}); err != nil {
		return err
	}
	t, todo, err := do(r.Context(), id, actor(r.Context()))
	if err != nil {
		return err
	}
	s.ring(r.Context(), s.Queue.Wake, todo)
	return s.answerTenant(w, r, http.StatusAccepted, t)
}

// answerTenant answers a tenant with its steps and imports.
func (s *Server) answerTenant(w http.ResponseWriter, r *http.Request, status int, t store.Tenant) error {
	whole, err := WholeTenant(r.Context(), s.DB, t)
	if err != nil {
		return err
	}
	return writeJSON(w, status, whole)
}

// instant is a time in a request, RFC 3339 with its zone.
type instant time.Time

// UnmarshalText reads the time.
func (i *instant) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return &fieldError{field: "since", want: "a time such as 2026-01-31T00:00:00Z"}
	}
	*i = instant(t)
	return nil
}

func (i *instant) time() *time.Time {
	if i == nil {
		return nil
	}
	t := time.Time(*i)
	return &t
}
