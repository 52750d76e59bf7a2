package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// userFields is every field that POST /users knows. What the sandbox has no
// use for is accepted and let go.
type userFields struct {
	Emails        []string         `json:"email_address"`
	EmailStatuses []string         `json:"email_address_identification_status"`
	Phones        []string         `json:"phone_number"`
	Wallets       []string         `json:"web3_wallet"`
	Username      *string          `json:"username"`
	Password      *string          `json:"password"`
	Digest        *string          `json:"password_digest"`
	Hasher        *string          `json:"password_hasher"`
	SkipChecks    *bool            `json:"skip_password_checks"`
	SkipPassword  *bool            `json:"skip_password_requirement"`
	SkipLegal     *bool            `json:"skip_legal_checks"`
	SkipUser      *bool            `json:"skip_user_requirement"`
	TOTP          *string          `json:"totp_secret"`
	Backup        []string         `json:"backup_codes"`
	ExternalID    *string          `json:"external_id"`
	FirstName     *string          `json:"first_name"`
	LastName      *string          `json:"last_name"`
	Locale        *string          `json:"locale"`
	Public        *metadata        `json:"public_metadata"`
	Private       *metadata        `json:"private_metadata"`
	Unsafe        *metadata        `json:"unsafe_metadata"`
	DeleteSelf    *bool            `json:"delete_self_enabled"`
	CreateOrgs    *bool            `json:"create_organization_enabled"`
	CreateMost    *int             `json:"create_organizations_limit"`
	LegalAccepted *json.RawMessage `json:"legal_accepted_at"`
	CreatedAt     *json.RawMessage `json:"created_at"`
	BypassTrust   *bool            `json:"bypass_client_trust"`
}

func (s *Server) createUser(c *clerkCall) {
	var in userFields
	if !c.decode(&in) || !s.userAcceptable(c, &in) {
		return
	}
	u := newClerkUser(c.at)
	for i, address := range in.Emails {
		reserved := i < len(in.EmailStatuses) && in.EmailStatuses[i] == "reserved"
		u.addEmail(address, reserved, c.at)
	}
	in.apply(u)
	s.clerk.users = append(s.clerk.users, u)
	c.publish("user.created", u)
	c.send(u)
}

// userAcceptable answers the refusal where it is none.
func (s *Server) userAcceptable(c *clerkCall, in *userFields) bool {
	switch {
	case len(in.Emails) == 0:
		clerkParam(c.w, "form_data_missing", "email_address", "is missing", "email_address is required.")
		return false
	case in.Password == nil && in.Digest == nil && (in.SkipPassword == nil || !*in.SkipPassword):
		clerkParam(c.w, "form_data_missing", "password", "is missing", "Missing data: password must be supplied.")
		return false
	case len(in.EmailStatuses) > 0 && len(in.EmailStatuses) != len(in.Emails):
		clerkParam(c.w, "form_param_value_invalid", "email_address_identification_status", "is invalid", "There must be one status for each email address.")
		return false
	}
	for _, status := range in.EmailStatuses {
		if status != "verified" && status != "reserved" {
			clerkParam(c.w, "form_param_value_invalid", "email_address_identification_status", "is invalid", "The status must be verified or reserved.")
			return false
		}
	}
	for _, address := range in.Emails {
		if !validEmail(address) {
			clerkParam(c.w, "form_param_format_invalid", "email_address", "is invalid", "Email address must be a valid email address.")
			return false
		}
		if s.clerk.userByEmail(address) != nil {
			clerkTaken(c.w, "email_address", "email address")
			return false
		}
	}
	if in.ExternalID != nil && s.clerk.userByExternalID(*in.ExternalID) != nil {
		clerkTaken(c.w, "external_id", "external id")
		return false
	}
	return c.metadataFits(in.Public, in.Private, in.Unsafe)
}

func (in *userFields) apply(u *clerkUser) {
	set(&u.ExternalID, in.ExternalID)
	set(&u.Username, in.Username)
	set(&u.FirstName, in.FirstName)
	set(&u.LastName, in.LastName)
	set(&u.Locale, in.Locale)
	set(&u.CreateMost, in.CreateMost)
	if in.Public != nil {
		u.Public = *in.Public
	}
	if in.Private != nil {
		u.Private = *in.Private
	}
	if in.Unsafe != nil {
		u.Unsafe = *in.Unsafe
	}
	if in.DeleteSelf != nil {
		u.DeleteSelf = *in.DeleteSelf
	}
	if in.CreateOrgs != nil {
		u.CreateOrgs = *in.CreateOrgs
	}
	u.Password = u.Password || in.Password != nil || in.Digest != nil
}

func set[T any](to **T, v *T) {
	if v != nil {
		*to = v
	}
}

// theUser finds the path's user, or answers that there is none.
func (s *Server) theUser(c *clerkCall) (*clerkUser, bool) {
	id := c.param("id")
	u := s.clerk.user(id)
	if u == nil {
		clerkNotFound(c.w, "No user was found with id "+id)
	}
	return u, u != nil
}

func (s *Server) matchingUsers(c *clerkCall) []*clerkUser {
	q := c.r.URL.Query()
	emails := filterValues(q, "email_address")
	external, ids := operator(filterValues(q, "external_id")), operator(filterValues(q, "user_id"))
	query := strings.ToLower(q.Get("query"))
	var out []*clerkUser
	for _, u := range s.clerk.users {
		name := ""
		if u.ExternalID != nil {
			name = *u.ExternalID
		}
		if len(emails) > 0 && !slices.ContainsFunc(emails, u.hasEmail) {
			continue
		}
		if !external(name) || !ids(u.ID) || (query != "" && !u.mentions(query)) {
			continue
		}
		out = append(out, u)
	}
	return out
}

// listUsers answers a bare array, newest first.
func (s *Server) listUsers(c *clerkCall) {
	limit, offset, ok := c.page()
	if !ok {
		return
	}
	c.send(pageOfList(s.matchingUsers(c), limit, offset))
}

func (s *Server) countUsers(c *clerkCall) {
	c.send(map[string]any{"object": "total_count", "total_count": len(s.matchingUsers(c))})
}

func (s *Server) showUser(c *clerkCall) {
	if u, ok := s.theUser(c); ok {
		c.send(u)
	}
}

func (s *Server) updateUser(c *clerkCall) {
	u, ok := s.theUser(c)
	if !ok {
		return
	}
	var in struct {
		userFields

		PrimaryEmail *string `json:"primary_email_address_id"`
		SignOut      *bool   `json:"sign_out_of_other_sessions"`
	}
	if !c.decode(&in) {
		return
	}
	if in.Emails != nil || in.EmailStatuses != nil {
		clerkParam(c.w, "form_param_unknown", "email_address", "is unknown", "email_address is not a valid parameter for this request.")
		return
	}
	if !c.metadataAllowed(in.Public, in.Private, in.Unsafe) || !c.metadataFits(in.Public, in.Private, in.Unsafe) {
		return
	}
	if other := in.ExternalID; other != nil {
		if taken := s.clerk.userByExternalID(*other); taken != nil && taken != u {
			clerkTaken(c.w, "external_id", "external id")
			return
		}
	}
	in.apply(u)
	set(&u.PrimaryEmail, in.PrimaryEmail)
	s.changedUser(c, u)
}

func (s *Server) changedUser(c *clerkCall, u *clerkUser) {
	u.UpdatedAt = max(c.at, u.UpdatedAt+1)
	c.publish("user.updated", u)
	c.send(u)
}

func (s *Server) deleteUser(c *clerkCall) {
	u, ok := s.theUser(c)
	if !ok {
		return
	}
	k := s.clerk
	k.users = slices.DeleteFunc(k.users, func(o *clerkUser) bool { return o == u })
	k.memberships = slices.DeleteFunc(k.memberships, func(m *clerkMembership) bool { return m.user == u })
	gone := map[string]any{"object": "user", "id": u.ID, "deleted": true}
	if u.ExternalID != nil {
		gone["external_id"] = *u.ExternalID
	}
	c.publish("user.deleted", gone)
	c.send(gone)
}

// switchUser bans, unbans, locks or unlocks.
func (s *Server) switchUser(verb string) func(*clerkCall) {
	return func(c *clerkCall) {
		u, ok := s.theUser(c)
		if !ok {
			return
		}
		switch verb {
		case "ban", "unban":
			u.Banned = verb == "ban"
		default:
			u.Locked = verb == "lock"
		}
		s.changedUser(c, u)
	}
}
