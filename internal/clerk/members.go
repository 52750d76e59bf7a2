package clerk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/wosool/wosool/internal/fault"
)

// RoleAdmin is the role of an owner, unless the instance renamed it.
const RoleAdmin = "org:admin"

// Membership is one user's place in one organization.
type Membership struct {
	ID           string       `json:"id"`
	Role         string       `json:"role"`
	Organization Organization `json:"organization"`
	User         struct {
		ID         string `json:"user_id"`
		Identifier string `json:"identifier"` // an e-mail, as a rule
	} `json:"public_user_data"`
	CreatedAt int64 `json:"created_at"` // Unix ms
	UpdatedAt int64 `json:"updated_at"` // Unix ms
}

// Invitation is one e-mail's invitation to one organization.
type Invitation struct {
	ID              string   `json:"id"`
	Email           string   `json:"email_address"`
	Role            string   `json:"role"`
	OrganizationID  string   `json:"organization_id"`
	Status          string   `json:"status"` // pending, accepted, revoked, expired
	PrivateMetadata Metadata `json:"private_metadata"`
	CreatedAt       int64    `json:"created_at"` // Unix ms
	UpdatedAt       int64    `json:"updated_at"` // Unix ms
}

// Members gives all memberships of an organization, or fault.NotFound.
func (c *Client) Members(ctx context.Context, orgID string) ([]Membership, error) {
	return c.memberships(ctx, orgID, nil)
}

// Memberships gives the memberships of a user in an organization: one or none.
func (c *Client) Memberships(ctx context.Context, orgID, userID string) ([]Membership, error) {
	if err := checkID("user", userID); err != nil {
		return nil, err
	}
	found, err := c.memberships(ctx, orgID, url.Values{"user_id": {userID}})
	memberships := found[:0]
	for _, m := range found {
		if m.User.ID == userID { // a filter that was ignored must not make a stranger a member
			memberships = append(memberships, m)
		}
	}
	return memberships, err
}

func (c *Client) memberships(ctx context.Context, orgID string, query url.Values) ([]Membership, error) {
	if err := checkID("org", orgID); err != nil {
		return nil, err
	}
	return list(ctx, c, "/organizations/"+orgID+"/memberships", query, func(m Membership) string { return m.ID })
}

// CreateMembership adds a user to an organization. One who is a member already
// gives an error that IsAlreadyMember knows; their role is as it was.
func (c *Client) CreateMembership(ctx context.Context, orgID, userID, role string) (Membership, error) {
	if err := checkID("org", orgID); err != nil {
		return Membership{}, err
	}
	if err := checkID("user", userID); err != nil {
		return Membership{}, err
	}
	if err := checkRole(role); err != nil {
		return Membership{}, err
	}
	in := struct {
		UserID string `json:"user_id"`
		Role   string `json:"role"`
	}{userID, role}
	path := "/organizations/" + orgID + "/memberships"
	var m Membership
	err := c.do(ctx, http.MethodPost, path, nil, in, &m)
	if err == nil && m.User.ID != userID {
		return Membership{}, fmt.Errorf("clerk: POST %s: the answer is about another user", path)
	}
	return m, check(err, "POST "+path, "orgmem", m.ID)
}

// Invite sends an invitation to an organization; redirectURL, which may be "", is
// where accepting it leads. A pending one gives an error that IsInvitationExists
// knows.
func (c *Client) Invite(ctx context.Context, orgID, email, role, redirectURL string, private Metadata) (Invitation, error) {
	if err := checkID("org", orgID); err != nil {
		return Invitation{}, err
	}
	if err := checkRole(role); err != nil {
		return Invitation{}, err
	}
	in := struct {
		Email           string   `json:"email_address"`
		Role            string   `json:"role"`
		RedirectURL     string   `json:"redirect_url,omitempty"`
		PrivateMetadata Metadata `json:"private_metadata,omitempty"`
	}{email, role, redirectURL, private}
	path := "/organizations/" + orgID + "/invitations"
	var i Invitation
	err := c.do(ctx, http.MethodPost, path, nil, in, &i)
	return i, check(err, "POST "+path, "orginv", i.ID)
}

// Invitations gives all invitations of an organization, whatever their status, or
// fault.NotFound.
func (c *Client) Invitations(ctx context.Context, orgID string) ([]Invitation, error) {
	if err := checkID("org", orgID); err != nil {
		return nil, err
	}
	return list(ctx, c, "/organizations/"+orgID+"/invitations", nil, func(i Invitation) string { return i.ID })
}

var roleForm = regexp.MustCompile(`^org:[a-z0-9_:-]{1,64}$`)

func checkRole(role string) error {
	if !roleForm.MatchString(role) {
		return fault.New(fault.Invalid, "clerk: not a role of the form org:…")
	}
	return nil
}
