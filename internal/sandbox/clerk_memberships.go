package sandbox

import (
	"fmt"
	"net/http"
	"slices"
)

const (
	roleAdmin  = "org:admin"
	roleMember = "org:member"
)

func roleName(role string) string {
	if role == roleAdmin {
		return "Admin"
	}
	return "Member"
}

func validRole(role string) bool { return role == roleAdmin || role == roleMember }

// clerkMembership joins a user to an organization.
type clerkMembership struct {
	Object    string   `json:"object"`
	ID        string   `json:"id"`
	Role      string   `json:"role"`
	RoleName  string   `json:"role_name"`
	Perms     []string `json:"permissions"`
	Public    metadata `json:"public_metadata"`
	Private   metadata `json:"private_metadata"`
	CreatedAt int64    `json:"created_at"`
	UpdatedAt int64    `json:"updated_at"`

	org  *clerkOrganization
	user *clerkUser
}

// shownMembership is a membership with what it joins.
type shownMembership struct {
	clerkMembership

	Organization clerkOrganization `json:"organization"`
	User         clerkPublicUser   `json:"public_user_data"`
}

type clerkPublicUser struct {
	ID           string  `json:"user_id"`
	FirstName    *string `json:"first_name"`
	LastName     *string `json:"last_name"`
	ProfileImage string  `json:"profile_image_url"`
	Image        string  `json:"image_url"`
	HasImage     bool    `json:"has_image"`
	Identifier   string  `json:"identifier"`
}

func (m *clerkMembership) shown(k *clerk) shownMembership {
	u := m.user
	return shownMembership{*m, k.shown(m.org), clerkPublicUser{
		u.ID, u.FirstName, u.LastName, u.ProfileImage, u.Image, u.HasImage, u.email(),
	}}
}

// join makes a member; the caller has checked that it may.
func (k *clerk) join(o *clerkOrganization, u *clerkUser, role string, at int64) *clerkMembership {
	m := &clerkMembership{
		Object: "organization_membership", ID: "orgmem_" + secretText(27), Role: role, RoleName: roleName(role),
		Perms: []string{"org:sys_profile:manage"}, Public: metadata{}, Private: metadata{},
		CreatedAt: at, UpdatedAt: at, org: o, user: u,
	}
	k.memberships = append(k.memberships, m)
	return m
}

func (k *clerk) membership(o *clerkOrganization, userID string) *clerkMembership {
	i := slices.IndexFunc(k.memberships, func(m *clerkMembership) bool { return m.org == o && m.user.ID == userID })
	if i < 0 {
		return nil
	}
	return k.memberships[i]
}

func (s *Server) createMembership(c *clerkCall) {
	o, ok := s.theOrganization(c)
	if !ok {
		return
	}
	var in struct {
		UserID  string    `json:"user_id"`
		Role    string    `json:"role"`
		Public  *metadata `json:"public_metadata"`
		Private *metadata `json:"private_metadata"`
	}
	if !c.decode(&in) || !c.metadataFits(in.Public, in.Private) {
		return
	}
	k := s.clerk
	u := k.user(in.UserID)
	switch {
	case in.UserID == "":
		clerkParam(c.w, "form_param_nil", "user_id", "is missing", "user_id must be included.")
		return
	case !validRole(in.Role):
		clerkParam(c.w, "form_param_value_invalid", "role", "is invalid", "role must be one of the instance's roles.")
		return
	case u == nil:
		clerkNotFound(c.w, "No user was found with id "+in.UserID)
		return
	case k.membership(o, u.ID) != nil:
		c.fail(http.StatusBadRequest, "already_a_member_in_organization", "already a member",
			u.ID+" is already a member of the organization.")
		return
	case o.Most > 0 && k.shown(o).Members >= o.Most:
		c.fail(http.StatusForbidden, "organization_membership_quota_exceeded", "organization membership quota exceeded",
			fmt.Sprintf("You have reached your limit of %d organization memberships, including outstanding invitations.", o.Most))
		return
	}
	m := k.join(o, u, in.Role, c.at)
	(&metadataFields{Public: in.Public, Private: in.Private}).replace(&m.Public, &m.Private, nil)
	c.publish("organizationMembership.created", m.shown(k))
	c.send(m.shown(k))
}

func (s *Server) listMemberships(c *clerkCall) {
	o, ok := s.theOrganization(c)
	if !ok {
		return
	}
	limit, offset, ok := c.page()
	if !ok {
		return
	}
	q := c.r.URL.Query()
	users, roles := operator(filterValues(q, "user_id")), filterValues(q, "role")
	var out []*clerkMembership
	for _, m := range s.clerk.memberships {
		if m.org == o && users(m.user.ID) && (len(roles) == 0 || slices.Contains(roles, m.Role)) {
			out = append(out, m)
		}
	}
	page := clerkPage[shownMembership]{Data: []shownMembership{}, Total: len(out)}
	for _, m := range pageOfList(out, limit, offset) {
		page.Data = append(page.Data, m.shown(s.clerk))
	}
	c.send(page)
}

// theMembership finds the path's, by organization and user.
func (s *Server) theMembership(c *clerkCall) (*clerkMembership, bool) {
	o, ok := s.theOrganization(c)
	if !ok {
		return nil, false
	}
	m := s.clerk.membership(o, c.param("id"))
	if m == nil {
		clerkNotFound(c.w, "No membership was found for user "+c.param("id"))
	}
	return m, m != nil
}

func (s *Server) updateMembership(c *clerkCall) {
	m, ok := s.theMembership(c)
	if !ok {
		return
	}
	var in struct {
		Role string `json:"role"`
	}
	if !c.decode(&in) {
		return
	}
	if !validRole(in.Role) {
		clerkParam(c.w, "form_param_value_invalid", "role", "is invalid", "role must be one of the instance's roles.")
		return
	}
	m.Role, m.RoleName = in.Role, roleName(in.Role)
	s.changedMembership(c, m)
}

func (s *Server) changedMembership(c *clerkCall, m *clerkMembership) {
	m.UpdatedAt = max(c.at, m.UpdatedAt+1)
	c.publish("organizationMembership.updated", m.shown(s.clerk))
	c.send(m.shown(s.clerk))
}

// deleteMembership answers and publishes the whole membership, without a sign
// that it is deleted.
func (s *Server) deleteMembership(c *clerkCall) {
	m, ok := s.theMembership(c)
	if !ok {
		return
	}
	k := s.clerk
	gone := m.shown(k)
	k.memberships = slices.DeleteFunc(k.memberships, func(other *clerkMembership) bool { return other == m })
	c.publish("organizationMembership.deleted", gone)
	c.send(gone)
}
