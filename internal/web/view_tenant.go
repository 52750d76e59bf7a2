package web

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// Tenant is a tenant as the operator API and the command line show it in lists.
type Tenant struct {
	ID          uuid.UUID   `json:"id"`
	Slug        string      `json:"slug"`
	Name        string      `json:"name"`
	Merchant    *int64      `json:"merchant"`
	Status      string      `json:"status"`
	SuspendedBy *string     `json:"suspended_by"`
	CreatedAt   time.Time   `json:"created_at"`
	ReadyAt     *time.Time  `json:"ready_at"`
	Connection  *Connection `json:"connection"`
	Database    *Database   `json:"database"`
	Clerk       Clerk       `json:"clerk"`
	Twenty      *Twenty     `json:"twenty"`
}

// TenantDetail is a tenant on its own.
type TenantDetail struct {
	Tenant
	Steps   []Step   `json:"steps"`
	Imports []Import `json:"imports"`
}

// Connection is how a tenant's grant of Salla stands.
type Connection struct {
	State     string     `json:"state"`
	ExpiresAt *time.Time `json:"expires_at"`
	Scopes    []string   `json:"scopes"`
}

// Database is where a tenant's database is.
type Database struct {
	Server       string `json:"server"`
	Name         string `json:"name"`
	ModelVersion *int   `json:"model_version"`
}

// Clerk is a tenant's identity.
type Clerk struct {
	OrganizationID *string `json:"organization_id"`
	OwnerID        *string `json:"owner_id"`
	Owner          *string `json:"owner"`
}

// Twenty is a tenant's workspace in Twenty, which no tenant has yet.
type Twenty struct {
	WorkspaceID string `json:"workspace_id"`
	URL         string `json:"url"`
}

// Step is one step of a tenant's provisioning.
type Step struct {
	Name       string     `json:"name"`
	Status     string     `json:"status"`
	Attempt    int        `json:"attempt"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Error      *string    `json:"error"`
}

// Import is one run of a tenant's imports.
type Import struct {
	ID         uuid.UUID  `json:"id"`
	Kind       string     `json:"kind"`
	Status     string     `json:"status"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Reason     *string    `json:"reason"`
	Streams    []Stream   `json:"streams"`
}

// Stream is one resource of an import.
type Stream struct {
	Resource    string `json:"resource"`
	Status      string `json:"status"`
	Pages       int    `json:"pages"`
	Imported    int64  `json:"imported"`
	Unchanged   int64  `json:"unchanged"`
	Rejected    int64  `json:"rejected"`
	SourceTotal *int64 `json:"source_total"`
}

// TenantRows returns what lists show of tenants, in their order.
func TenantRows(ctx context.Context, db *store.DB, tenants []store.Tenant) ([]Tenant, error) {
	ids := make([]uuid.UUID, len(tenants))
	for i, t := range tenants {
		ids[i] = t.ID
	}
	connections, err := db.ConnectionStates(ctx, ids)
	if err != nil {
		return nil, err
	}
	rows := make([]Tenant, len(tenants))
	for i, t := range tenants {
		rows[i] = tenantRow(t)
		if c, ok := connections[t.ID]; ok {
			rows[i].Connection = &Connection{State: c.Status, ExpiresAt: utc(c.ExpiresAt), Scopes: list(c.Scopes)}
		}
	}
	return rows, nil
}

// WholeTenant returns all that is shown of one tenant.
func WholeTenant(ctx context.Context, db *store.DB, t store.Tenant) (TenantDetail, error) {
	rows, err := TenantRows(ctx, db, []store.Tenant{t})
	if err != nil {
		return TenantDetail{}, err
	}
	steps, err := db.Steps(ctx, t.ID)
	if err != nil {
		return TenantDetail{}, err
	}
	runs, err := db.Runs(ctx, t.ID)
	if err != nil {
		return TenantDetail{}, err
	}
	d := TenantDetail{Tenant: rows[0], Steps: make([]Step, len(steps)), Imports: ImportRows(runs)}
	for i, s := range steps {
		d.Steps[i] = Step{
			Name: s.Name, Status: s.Status, Attempt: s.Attempt,
			StartedAt: utc(s.StartedAt), FinishedAt: utc(s.FinishedAt), Error: s.Error,
		}
	}
	return d, nil
}

// ImportRows returns what is shown of runs, in their order.
func ImportRows(runs []store.Run) []Import {
	rows := make([]Import, len(runs))
	for i, r := range runs {
		rows[i] = Import{
			ID: r.ID, Kind: r.Kind, Status: r.Status, StartedAt: utc(r.StartedAt), FinishedAt: utc(r.FinishedAt),
			Reason: r.Reason, Streams: make([]Stream, len(r.Streams)),
		}
		for j, s := range r.Streams {
			rows[i].Streams[j] = Stream{
				Resource: s.Resource, Status: s.Status, Pages: s.Pages,
				Imported: s.Imported, Unchanged: s.Unchanged, Rejected: s.Rejected, SourceTotal: s.SourceTotal,
			}
		}
	}
	return rows
}

func tenantRow(t store.Tenant) Tenant {
	row := Tenant{
		ID: t.ID, Slug: t.Slug, Name: t.Name, Merchant: t.Merchant, Status: t.Status, SuspendedBy: t.SuspendedBy,
		CreatedAt: t.CreatedAt.UTC(), ReadyAt: utc(t.ReadyAt),
		Clerk: Clerk{OrganizationID: t.ClerkOrganizationID, OwnerID: t.ClerkOwnerID, Owner: t.ClerkOwner},
	}
	if t.DatabaseServer != nil && t.DatabaseName != nil {
		row.Database = &Database{Server: *t.DatabaseServer, Name: *t.DatabaseName, ModelVersion: t.ModelVersion}
	}
	return row
}

// list keeps an empty list from being shown as null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// utc gives a time as it is shown: no time stays none.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
