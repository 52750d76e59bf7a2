package sandbox

import "maps"

// ClerkState is what an instance holds, for tests and the demo.
type ClerkState struct {
	Users         []ClerkUser         `json:"users"`
	Organizations []ClerkOrganization `json:"organizations"`
	Memberships   []ClerkMembership   `json:"memberships"`
	Invitations   []ClerkInvitation   `json:"invitations"`
	SignInTokens  int                 `json:"sign_in_tokens"` // made so far
}

// ClerkUser is what tests and the demo want to know of a user.
type ClerkUser struct {
	ID         string         `json:"id"`
	Email      string         `json:"email"`
	Reserved   bool           `json:"reserved"`
	ExternalID string         `json:"external_id,omitempty"`
	Private    map[string]any `json:"private_metadata"`
	Banned     bool           `json:"banned"`
}

// ClerkOrganization is one organization.
type ClerkOrganization struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Private map[string]any `json:"private_metadata"`
}

// ClerkMembership is one member of an organization.
type ClerkMembership struct {
	Organization string `json:"organization_id"`
	User         string `json:"user_id"`
	Role         string `json:"role"`
}

// ClerkInvitation is one invitation into an organization.
type ClerkInvitation struct {
	ID           string `json:"id"`
	Organization string `json:"organization_id"`
	Email        string `json:"email"`
	Role         string `json:"role"`
	Status       string `json:"status"`
}

// ClerkState returns everything the instance holds, oldest first.
func (s *Server) ClerkState() ClerkState {
	k := s.clerk
	k.mu.Lock()
	defer k.mu.Unlock()
	out := ClerkState{
		Users: []ClerkUser{}, Organizations: []ClerkOrganization{},
		Memberships: []ClerkMembership{}, Invitations: []ClerkInvitation{}, SignInTokens: len(k.signIns),
	}
	for _, u := range k.users {
		one := ClerkUser{ID: u.ID, Email: u.email(), Private: maps.Clone(u.Private), Banned: u.Banned}
		if u.ExternalID != nil {
			one.ExternalID = *u.ExternalID
		}
		for _, e := range u.Emails {
			one.Reserved = one.Reserved || e.Reserved
		}
		out.Users = append(out.Users, one)
	}
	for _, o := range k.orgs {
		out.Organizations = append(out.Organizations, ClerkOrganization{o.ID, o.Name, maps.Clone(o.Private)})
	}
	for _, m := range k.memberships {
		out.Memberships = append(out.Memberships, ClerkMembership{m.org.ID, m.user.ID, m.Role})
	}
	for _, i := range k.invitations {
		out.Invitations = append(out.Invitations, ClerkInvitation{i.ID, i.org.ID, i.Email, i.Role, i.Status})
	}
	return out
}
