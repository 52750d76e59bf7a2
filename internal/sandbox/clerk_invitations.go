package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	invitationPending  = "pending"
	invitationAccepted = "accepted"
	invitationRevoked  = "revoked"
)

// clerkInvitation asks a person into an organization.
type clerkInvitation struct {
	Object    string   `json:"object"`
	ID        string   `json:"id"`
	Email     string   `json:"email_address"`
	Role      string   `json:"role"`
	RoleName  string   `json:"role_name"`
	OrgID     string   `json:"organization_id"`
	InviterID *string  `json:"inviter_id"`
	Status    string   `json:"status"`
	Public    metadata `json:"public_metadata"`
	Private   metadata `json:"private_metadata"`
	URL       *string  `json:"url"`
	ExpiresAt int64    `json:"expires_at"`
	CreatedAt int64    `json:"created_at"`
	UpdatedAt int64    `json:"updated_at"`

	org *clerkOrganization
}

func (s *Server) createInvitation(c *clerkCall) {
	o, ok := s.theOrganization(c)
	if !ok {
		return
	}
	var in struct {
		Email    string    `json:"email_address"`
		Role     string    `json:"role"`
		Inviter  *string   `json:"inviter_user_id"`
		Redirect *string   `json:"redirect_url"`
		Days     *int      `json:"expires_in_days"`
		Notify   *bool     `json:"notify"`
		Public   *metadata `json:"public_metadata"`
		Private  *metadata `json:"private_metadata"`
	}
	if !c.decode(&in) || !c.metadataFits(in.Public, in.Private) {
		return
	}
	k := s.clerk
	u := k.userByEmail(in.Email)
	switch {
	case !validEmail(in.Email):
		clerkParam(c.w, "form_param_format_invalid", "email_address", "is invalid", "Email address must be a valid email address.")
		return
	case !validRole(in.Role):
		clerkParam(c.w, "form_param_value_invalid", "role", "is invalid", "role must be one of the instance's roles.")
		return
	case in.Days != nil && (*in.Days < 1 || *in.Days > 365):
		clerkParam(c.w, "form_param_value_invalid", "expires_in_days", "is invalid", "expires_in_days must be between 1 and 365.")
		return
	case in.Inviter != nil && k.membership(o, *in.Inviter) == nil:
		clerkNotFound(c.w, "No member was found with id "+*in.Inviter)
		return
	case u != nil && k.membership(o, u.ID) != nil:
		c.fail(http.StatusBadRequest, "already_a_member_in_organization", "already a member",
			u.ID+" is already a member of the organization.")
		return
	case slices.ContainsFunc(k.invitations, func(i *clerkInvitation) bool {
		return i.org == o && i.Status == invitationPending && strings.EqualFold(i.Email, in.Email)
	}):
		c.fail(http.StatusBadRequest, "organization_invitation_not_unique", "invitation not unique",
			"There is already a pending invitation for this email address.")
		return
	}
	days := 30
	if in.Days != nil {
		days = *in.Days
	}
	address := s.cfg.ClerkIssuer + "/v1/tickets/accept?ticket=" + secretText(40)
	i := &clerkInvitation{
		Object: "organization_invitation", ID: "orginv_" + secretText(27), Email: in.Email,
		Role: in.Role, RoleName: roleName(in.Role), OrgID: o.ID, InviterID: in.Inviter, Status: invitationPending,
		Public: metadata{}, Private: metadata{}, URL: &address,
		ExpiresAt: c.at + int64(days)*(24*time.Hour).Milliseconds(), CreatedAt: c.at, UpdatedAt: c.at, org: o,
	}
	(&metadataFields{Public: in.Public, Private: in.Private}).replace(&i.Public, &i.Private, nil)
	k.invitations = append(k.invitations, i)
	c.send(i)
}

func (s *Server) listInvitations(c *clerkCall) {
	o, ok := s.theOrganization(c)
	if !ok {
		return
	}
	limit, offset, ok := c.page()
	if !ok {
		return
	}
	statuses := filterValues(c.r.URL.Query(), "status")
	email := c.r.URL.Query().Get("email_address")
	var out []*clerkInvitation
	for _, i := range s.clerk.invitations {
		if i.org == o && (len(statuses) == 0 || slices.Contains(statuses, i.Status)) && (email == "" || strings.EqualFold(email, i.Email)) {
			out = append(out, i)
		}
	}
	c.send(clerkPage[*clerkInvitation]{pageOfList(out, limit, offset), len(out)})
}

func (s *Server) theInvitation(c *clerkCall) (*clerkInvitation, bool) {
	o, ok := s.theOrganization(c)
	if !ok {
		return nil, false
	}
	i := slices.IndexFunc(s.clerk.invitations, func(i *clerkInvitation) bool { return i.org == o && i.ID == c.param("id") })
	if i < 0 {
		clerkNotFound(c.w, "No invitation was found with id "+c.param("id"))
		return nil, false
	}
	return s.clerk.invitations[i], true
}

func (s *Server) showInvitation(c *clerkCall) {
	if i, ok := s.theInvitation(c); ok {
		c.send(i)
	}
}

func (s *Server) revokeInvitation(c *clerkCall) {
	i, ok := s.theInvitation(c)
	if !ok {
		return
	}
	var in struct {
		Requester *string `json:"requesting_user_id"`
	}
	if !c.decode(&in) {
		return
	}
	if i.Status != invitationPending {
		c.fail(http.StatusBadRequest, "organization_invitation_not_pending", "invitation not pending", "The invitation is not pending.")
		return
	}
	i.Status, i.UpdatedAt = invitationRevoked, c.at
	c.send(i)
}

// AcceptInvitation lets the invited person join, signing up first where the
// address has no user yet. It fails for an invitation that is not pending.
func (s *Server) AcceptInvitation(id string) error {
	k := s.clerk
	c := &clerkCall{at: s.now().UnixMilli()}
	err := func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		i := slices.IndexFunc(k.invitations, func(i *clerkInvitation) bool { return i.ID == id })
		if i < 0 {
			return fmt.Errorf("clerk: no invitation %s", id)
		}
		inv := k.invitations[i]
		if inv.Status != invitationPending || c.at > inv.ExpiresAt {
			return fmt.Errorf("clerk: invitation %s is not pending", id)
		}
		u := k.userByEmail(inv.Email)
		if u == nil {
			u = newClerkUser(c.at)
			u.addEmail(inv.Email, false, c.at)
			k.users = append(k.users, u)
			c.publish("user.created", u)
		}
		inv.Status, inv.UpdatedAt = invitationAccepted, c.at
		c.publish("organizationMembership.created", k.join(inv.org, u, inv.Role, c.at).shown(k))
		return nil
	}()
	s.publishClerk(c.events)
	return err
}
