package sandbox

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// clerkOrganization is an organization as the API shows it. The counts are
// filled in by shown.
type clerkOrganization struct {
	Object      string   `json:"object"`
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Slug        *string  `json:"slug"` // null while slugs are off
	Image       string   `json:"image_url"`
	HasImage    bool     `json:"has_image"`
	Members     int      `json:"members_count"`
	Pending     int      `json:"pending_invitations_count"`
	Most        int      `json:"max_allowed_memberships"`
	AdminDelete bool     `json:"admin_delete_enabled"`
	Public      metadata `json:"public_metadata"`
	Private     metadata `json:"private_metadata"`
	CreatedBy   *string  `json:"created_by"`
	CreatedAt   int64    `json:"created_at"`
	UpdatedAt   int64    `json:"updated_at"`
}

type organizationFields struct {
	Name        *string   `json:"name"`
	Slug        *string   `json:"slug"`
	CreatedBy   *string   `json:"created_by"`
	Public      *metadata `json:"public_metadata"`
	Private     *metadata `json:"private_metadata"`
	Most        *int      `json:"max_allowed_memberships"`
	AdminDelete *bool     `json:"admin_delete_enabled"`
	CreatedAt   *string   `json:"created_at"`
	RoleSet     *string   `json:"role_set_key"`
}

const defaultMembers = 5

func (s *Server) createOrganization(c *clerkCall) {
	var in organizationFields
	if !c.decode(&in) {
		return
	}
	if in.Name == nil || strings.TrimSpace(*in.Name) == "" {
		clerkParam(c.w, "form_param_nil", "name", "is missing", "name must be included.")
		return
	}
	if !s.organizationAcceptable(c, &in, nil) {
		return
	}
	k := s.clerk
	if most := c.opts.OrganizationQuota; most > 0 && len(k.orgs) >= most {
		c.fail(http.StatusForbidden, "organization_quota_exceeded", "organization quota exceeded",
			fmt.Sprintf("You have reached your limit of %d organizations.", most))
		return
	}
	var creator *clerkUser
	if in.CreatedBy != nil {
		if creator = k.user(*in.CreatedBy); creator == nil {
			c.fail(http.StatusBadRequest, "organization_creator_not_found", "organization creator not found",
				"The user given as the creator of the organization was not found.")
			return
		}
	}
	o := &clerkOrganization{
		Object: "organization", ID: "org_" + secretText(27), Image: "https://img.clerk.com/y",
		Most: defaultMembers, AdminDelete: true, Public: metadata{}, Private: metadata{},
		CreatedBy: in.CreatedBy, CreatedAt: c.at, UpdatedAt: c.at,
	}
	in.apply(o)
	if c.opts.Slugs && o.Slug == nil {
		slug := derivedSlug(*in.Name) + "-" + strings.ToLower(secretText(6))
		o.Slug = &slug
	}
	k.orgs = append(k.orgs, o)
	c.publish("organization.created", k.shown(o))
	if creator != nil {
		c.publish("organizationMembership.created", k.join(o, creator, roleAdmin, c.at).shown(k))
	}
	c.send(k.shown(o))
}

func derivedSlug(name string) string {
	slug := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(name), "-"), "-")
	if slug == "" {
		return "org"
	}
	return slug
}

// organizationAcceptable answers the refusal of a bad name or slug.
func (s *Server) organizationAcceptable(c *clerkCall, in *organizationFields, self *clerkOrganization) bool {
	if in.Name != nil && !validOrganizationName(*in.Name) {
		clerkParam(c.w, "form_param_format_invalid", "name", "is invalid", "name must not contain URLs or HTML and have at most 256 characters.")
		return false
	}
	if in.Slug != nil && *in.Slug != "" {
		if !c.opts.Slugs {
			c.fail(http.StatusForbidden, "organization_slugs_disabled", "organization slugs not enabled",
				"This instance does not have slugs enabled for organizations.")
			return false
		}
		if strings.Trim(*in.Slug, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			clerkParam(c.w, "form_param_format_invalid", "slug", "is invalid", "slug can only contain lowercase letters, numbers and dashes.")
			return false
		}
		if o := s.clerk.organization(*in.Slug); o != nil && o != self {
			clerkTaken(c.w, "slug", "slug")
			return false
		}
	}
	return c.metadataFits(in.Public, in.Private)
}

// validOrganizationName refuses markup, addresses and what is too long.
func validOrganizationName(name string) bool {
	lower := strings.ToLower(name)
	return utf8.RuneCountInString(name) <= 256 && !strings.ContainsAny(name, "<>") &&
		!strings.Contains(lower, "://") && !strings.Contains(lower, "www.")
}

func (in *organizationFields) apply(o *clerkOrganization) {
	if in.Name != nil {
		o.Name = *in.Name
	}
	if in.Slug != nil && *in.Slug != "" {
		o.Slug = in.Slug
	}
	if in.Public != nil {
		o.Public = *in.Public
	}
	if in.Private != nil {
		o.Private = *in.Private
	}
	if in.Most != nil {
		o.Most = *in.Most
	}
	if in.AdminDelete != nil {
		o.AdminDelete = *in.AdminDelete
	}
}

// organization finds by id or slug.
func (k *clerk) organization(idOrSlug string) *clerkOrganization {
	i := slices.IndexFunc(k.orgs, func(o *clerkOrganization) bool {
		return o.ID == idOrSlug || (o.Slug != nil && *o.Slug == idOrSlug)
	})
	if i < 0 {
		return nil
	}
	return k.orgs[i]
}

// shown is a copy with its counts.
func (k *clerk) shown(o *clerkOrganization) clerkOrganization {
	out := *o
	for _, m := range k.memberships {
		if m.org == o {
			out.Members++
		}
	}
	for _, i := range k.invitations {
		if i.org == o && i.Status == invitationPending {
			out.Pending++
		}
	}
	return out
}

func (s *Server) theOrganization(c *clerkCall) (*clerkOrganization, bool) {
	id := c.param("org")
	o := s.clerk.organization(id)
	if o == nil {
		clerkNotFound(c.w, "No organization was found with id "+id)
	}
	return o, o != nil
}

// listOrganizations pages through them, newest first; query is an exact id or
// a part of the name or slug.
func (s *Server) listOrganizations(c *clerkCall) {
	limit, offset, ok := c.page()
	if !ok {
		return
	}
	q := c.r.URL.Query()
	query, members := strings.ToLower(q.Get("query")), filterValues(q, "user_id")
	member := operator(members)
	k := s.clerk
	var out []*clerkOrganization
	for _, o := range k.orgs {
		if query != "" && !o.mentions(query) {
			continue
		}
		if len(members) > 0 && !slices.ContainsFunc(k.memberships, func(m *clerkMembership) bool {
			return m.org == o && member(m.user.ID)
		}) {
			continue
		}
		out = append(out, o)
	}
	page := clerkPage[clerkOrganization]{Data: []clerkOrganization{}, Total: len(out)}
	for _, o := range pageOfList(out, limit, offset) {
		page.Data = append(page.Data, k.shown(o))
	}
	c.send(page)
}

func (o *clerkOrganization) mentions(query string) bool {
	return strings.EqualFold(o.ID, query) || strings.Contains(strings.ToLower(o.Name), query) ||
		(o.Slug != nil && strings.Contains(*o.Slug, query))
}

func (s *Server) showOrganization(c *clerkCall) {
	if o, ok := s.theOrganization(c); ok {
		c.send(s.clerk.shown(o))
	}
}

func (s *Server) updateOrganization(c *clerkCall) {
	o, ok := s.theOrganization(c)
	if !ok {
		return
	}
	var in organizationFields
	if !c.decode(&in) || !c.metadataAllowed(in.Public, in.Private) || !s.organizationAcceptable(c, &in, o) {
		return
	}
	in.apply(o)
	s.changedOrganization(c, o)
}

func (s *Server) changedOrganization(c *clerkCall, o *clerkOrganization) {
	o.UpdatedAt = max(c.at, o.UpdatedAt+1)
	c.publish("organization.updated", s.clerk.shown(o))
	c.send(s.clerk.shown(o))
}

// deleteOrganization takes memberships and invitations with it; only the
// organization has an event.
func (s *Server) deleteOrganization(c *clerkCall) {
	o, ok := s.theOrganization(c)
	if !ok {
		return
	}
	k := s.clerk
	k.orgs = slices.DeleteFunc(k.orgs, func(other *clerkOrganization) bool { return other == o })
	k.memberships = slices.DeleteFunc(k.memberships, func(m *clerkMembership) bool { return m.org == o })
	k.invitations = slices.DeleteFunc(k.invitations, func(i *clerkInvitation) bool { return i.org == o })
	gone := map[string]any{"object": "organization", "id": o.ID, "deleted": true}
	if o.Slug != nil {
		gone["slug"] = *o.Slug
	}
	c.publish("organization.deleted", gone)
	c.send(gone)
}
