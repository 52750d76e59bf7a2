package sandbox

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
)

type metadata = map[string]any

// clerkUser is a user as the API shows it.
type clerkUser struct {
	Object        string        `json:"object"`
	ID            string        `json:"id"`
	ExternalID    *string       `json:"external_id"`
	PrimaryEmail  *string       `json:"primary_email_address_id"`
	PrimaryPhone  *string       `json:"primary_phone_number_id"`
	PrimaryWeb3   *string       `json:"primary_web3_wallet_id"`
	Username      *string       `json:"username"`
	FirstName     *string       `json:"first_name"`
	LastName      *string       `json:"last_name"`
	Locale        *string       `json:"locale"`
	ProfileImage  string        `json:"profile_image_url"`
	Image         string        `json:"image_url"`
	HasImage      bool          `json:"has_image"`
	Public        metadata      `json:"public_metadata"`
	Private       metadata      `json:"private_metadata"`
	Unsafe        metadata      `json:"unsafe_metadata"`
	Emails        []*clerkEmail `json:"email_addresses"`
	Phones        []any         `json:"phone_numbers"`
	Wallets       []any         `json:"web3_wallets"`
	Passkeys      []any         `json:"passkeys"`
	Password      bool          `json:"password_enabled"`
	TwoFactor     bool          `json:"two_factor_enabled"`
	TOTP          bool          `json:"totp_enabled"`
	Backup        bool          `json:"backup_code_enabled"`
	MFAEnabled    *int64        `json:"mfa_enabled_at"`
	MFADisabled   *int64        `json:"mfa_disabled_at"`
	External      []any         `json:"external_accounts"`
	SAML          []any         `json:"saml_accounts"`
	Enterprise    []any         `json:"enterprise_accounts"`
	LastSignIn    *int64        `json:"last_sign_in_at"`
	Banned        bool          `json:"banned"`
	Locked        bool          `json:"locked"`
	Lockout       *int64        `json:"lockout_expires_in_seconds"`
	AttemptsLeft  *int64        `json:"verification_attempts_remaining"`
	UpdatedAt     int64         `json:"updated_at"`
	CreatedAt     int64         `json:"created_at"`
	DeleteSelf    bool          `json:"delete_self_enabled"`
	CreateOrgs    bool          `json:"create_organization_enabled"`
	CreateMost    *int          `json:"create_organizations_limit"`
	LastActive    *int64        `json:"last_active_at"`
	LegalAccepted *int64        `json:"legal_accepted_at"`
}

type clerkEmail struct {
	Object       string             `json:"object"`
	ID           string             `json:"id"`
	Address      string             `json:"email_address"`
	Reserved     bool               `json:"reserved"`
	Verification *clerkVerification `json:"verification"`
	LinkedTo     []any              `json:"linked_to"`
	SSO          bool               `json:"matches_sso_connection"`
	CreatedAt    int64              `json:"created_at"`
	UpdatedAt    int64              `json:"updated_at"`
}

type clerkVerification struct {
	Object   string `json:"object"`
	Status   string `json:"status"`
	Strategy string `json:"strategy"`
	Attempts *int   `json:"attempts"`
	ExpireAt *int64 `json:"expire_at"`
}

// validEmail takes what a form would: one plain address.
func validEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && strings.Contains(s[strings.LastIndexByte(s, '@')+1:], ".")
}

func newClerkUser(at int64) *clerkUser {
	return &clerkUser{
		Object: "user", ID: "user_" + secretText(27),
		ProfileImage: "https://img.clerk.com/x", Image: "https://img.clerk.com/x",
		Public: metadata{}, Private: metadata{}, Unsafe: metadata{},
		Phones: []any{}, Wallets: []any{}, Passkeys: []any{}, External: []any{}, SAML: []any{}, Enterprise: []any{},
		UpdatedAt: at, CreatedAt: at, DeleteSelf: true, CreateOrgs: true,
	}
}

// addEmail adds an address: verified, as the API's are, or only reserved.
func (u *clerkUser) addEmail(address string, reserved bool, at int64) {
	e := &clerkEmail{
		Object: "email_address", ID: "idn_" + secretText(27), Address: address, Reserved: reserved,
		LinkedTo: []any{}, CreatedAt: at, UpdatedAt: at,
	}
	if !reserved {
		e.Verification = &clerkVerification{Object: "verification_admin", Status: "verified", Strategy: "admin"}
	}
	u.Emails = append(u.Emails, e)
	if u.PrimaryEmail == nil {
		u.PrimaryEmail = &e.ID
	}
}

// email is the primary address.
func (u *clerkUser) email() string {
	for _, e := range u.Emails {
		if u.PrimaryEmail != nil && e.ID == *u.PrimaryEmail {
			return e.Address
		}
	}
	return ""
}

func (k *clerk) user(id string) *clerkUser {
	i := slices.IndexFunc(k.users, func(u *clerkUser) bool { return u.ID == id })
	if i < 0 {
		return nil
	}
	return k.users[i]
}

func (k *clerk) userByEmail(address string) *clerkUser {
	i := slices.IndexFunc(k.users, func(u *clerkUser) bool { return u.hasEmail(address) })
	if i < 0 {
		return nil
	}
	return k.users[i]
}

func (u *clerkUser) hasEmail(address string) bool {
	return slices.ContainsFunc(u.Emails, func(e *clerkEmail) bool { return strings.EqualFold(e.Address, address) })
}

func (k *clerk) userByExternalID(id string) *clerkUser {
	i := slices.IndexFunc(k.users, func(u *clerkUser) bool { return u.ExternalID != nil && *u.ExternalID == id })
	if i < 0 {
		return nil
	}
	return k.users[i]
}

func (u *clerkUser) mentions(query string) bool {
	for _, p := range []*string{u.FirstName, u.LastName, u.Username, u.ExternalID} {
		if p != nil && strings.Contains(strings.ToLower(*p), query) {
			return true
		}
	}
	return strings.EqualFold(u.ID, query) || slices.ContainsFunc(u.Emails, func(e *clerkEmail) bool {
		return strings.Contains(strings.ToLower(e.Address), query)
	})
}

// PreexistingUser adds a user who is not the app's, as a sign-up would, and
// returns the id. The address must be new to the instance.
func (s *Server) PreexistingUser(email string) (string, error) {
	u := newClerkUser(s.now().UnixMilli())
	u.addEmail(email, false, u.CreatedAt)
	u.Emails[0].Verification = &clerkVerification{Object: "verification_otp", Status: "verified", Strategy: "email_code"}
	c := &clerkCall{}
	s.clerk.mu.Lock()
	if s.clerk.userByEmail(email) != nil {
		s.clerk.mu.Unlock()
		return "", fmt.Errorf("clerk: there is a user with this address")
	}
	s.clerk.users = append(s.clerk.users, u)
	c.publish("user.created", u)
	s.clerk.mu.Unlock()
	s.publishClerk(c.events)
	return u.ID, nil
}
