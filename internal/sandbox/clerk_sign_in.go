package sandbox

import (
	"net/http"
	"slices"
)

// clerkSignIn is a token that signs one person in, once.
type clerkSignIn struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	UserID    string `json:"user_id"`
	Status    string `json:"status"`
	Token     string `json:"token,omitempty"`
	URL       string `json:"url,omitempty"`
	CreatedAt int64  `json:"created_at"`
	UpdatedAt int64  `json:"updated_at"`
}

func (s *Server) createSignIn(c *clerkCall) {
	var in struct {
		UserID  string  `json:"user_id"`
		OrgID   *string `json:"org_id"`
		Expires *int64  `json:"expires_in_seconds"`
	}
	if !c.decode(&in) {
		return
	}
	k := s.clerk
	u := k.user(in.UserID)
	if u == nil {
		clerkNotFound(c.w, "No user was found with id "+in.UserID)
		return
	}
	if in.OrgID != nil {
		if o := k.organization(*in.OrgID); o == nil || k.membership(o, u.ID) == nil {
			c.fail(http.StatusForbidden, "not_a_member_in_organization", "not a member", u.ID+" is not a member of the organization.")
			return
		}
	}
	token := secretText(32) + "." + secretText(64)
	t := &clerkSignIn{
		Object: "sign_in_token", ID: "sit_" + secretText(27), UserID: u.ID, Status: "pending",
		Token: token, URL: s.cfg.ClerkIssuer + "/sign-in?__clerk_ticket=" + token, CreatedAt: c.at, UpdatedAt: c.at,
	}
	k.signIns = append(k.signIns, t)
	c.send(t)
}

func (s *Server) revokeSignIn(c *clerkCall) {
	i := slices.IndexFunc(s.clerk.signIns, func(t *clerkSignIn) bool { return t.ID == c.param("id") })
	if i < 0 {
		clerkNotFound(c.w, "No sign-in token was found with id "+c.param("id"))
		return
	}
	t := s.clerk.signIns[i]
	t.Status, t.Token, t.URL, t.UpdatedAt = "revoked", "", "", c.at
	c.send(t)
}
