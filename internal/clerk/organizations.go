package clerk

import (
	"context"
	"net/http"
	"net/url"

	"github.com/wosool/wosool/internal/fault"
)

// Organization is what a store is at Clerk.
type Organization struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	Slug            string   `json:"slug"`
	CreatedBy       string   `json:"created_by"`
	MembersCount    int      `json:"members_count"`
	PrivateMetadata Metadata `json:"private_metadata"` // nil where a list left it out
	PublicMetadata  Metadata `json:"public_metadata"`
	CreatedAt       int64    `json:"created_at"` // Unix ms
	UpdatedAt       int64    `json:"updated_at"` // Unix ms
}

// OrganizationsByName gives all organizations that Clerk finds by a name. It
// matches parts of names and slugs too: the caller compares.
func (c *Client) OrganizationsByName(ctx context.Context, name string) ([]Organization, error) {
	if name == "" { // would list them all
		return nil, fault.New(fault.Invalid, "clerk: no name to search by")
	}
	return list(ctx, c, "/organizations", url.Values{"query": {name}}, func(o Organization) string { return o.ID })
}

// Organization reads one organization, or fault.NotFound.
func (c *Client) Organization(ctx context.Context, id string) (Organization, error) {
	if err := checkID("org", id); err != nil {
		return Organization{}, err
	}
	var o Organization
	err := c.do(ctx, http.MethodGet, "/organizations/"+id, nil, nil, &o)
	return o, check(err, "GET /organizations/"+id, "org", o.ID)
}

// NewOrganization is what CreateOrganization makes.
type NewOrganization struct {
	Name            string // see OrganizationName
	PrivateMetadata Metadata
}

// CreateOrganization makes an organization without members and without a slug,
// which new instances do not allow.
func (c *Client) CreateOrganization(ctx context.Context, n NewOrganization) (Organization, error) {
	in := struct {
		Name            string   `json:"name"`
		PrivateMetadata Metadata `json:"private_metadata,omitempty"`
	}{n.Name, n.PrivateMetadata}
	var o Organization
	err := c.do(ctx, http.MethodPost, "/organizations", nil, in, &o)
	return o, check(err, "POST /organizations", "org", o.ID)
}

// UpdateOrganizationMetadata merges private into the private metadata of an
// organization; a nil value removes its key.
func (c *Client) UpdateOrganizationMetadata(ctx context.Context, id string, private Metadata) (Organization, error) {
	if err := checkID("org", id); err != nil {
		return Organization{}, err
	}
	in := struct {
		PrivateMetadata Metadata `json:"private_metadata"`
	}{private}
	var o Organization
	err := c.do(ctx, http.MethodPatch, "/organizations/"+id+"/metadata", nil, in, &o)
	return o, check(err, "PATCH /organizations/"+id+"/metadata", "org", o.ID)
}

// DeleteOrganization removes an organization for good, with its memberships and
// invitations, or gives fault.NotFound.
func (c *Client) DeleteOrganization(ctx context.Context, id string) error {
	if err := checkID("org", id); err != nil {
		return err
	}
	return c.remove(ctx, "/organizations/"+id)
}
