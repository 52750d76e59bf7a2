package web

import (
	"context"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// identitySection says what a tenant is at Clerk, and who is, or was, a member of its
// organization as far as Clerk has told. People are ids: who they are Clerk knows.
func (s *Server) identitySection(ctx context.Context, t store.Tenant, at func(time.Time) templates.Moment) (templates.FactsSection, error) {
	v := templates.FactsSection{Title: "Identity at Clerk", Note: "members as Clerk's webhooks tell of them"}
	v.Facts = []templates.Fact{
		{Label: "Clerk organization", Value: text(t.ClerkOrganizationID), Mono: true, Copy: true},
		ownerFact(t),
	}
	if t.ClerkOrganizationID == nil {
		return v, nil
	}
	c, err := s.DB.ClerkIdentity(ctx, *t.ClerkOrganizationID)
	if err != nil {
		return v, err
	}
	if c.DeletedAt != nil {
		m := at(*c.DeletedAt)
		v.Facts[0].Kind, v.Facts[0].Note, v.Facts[0].Time = templates.Broken, "deleted", &m
	}
	for _, m := range c.Members {
		v.Facts = append(v.Facts, memberFact(m, text(t.ClerkOwnerID), at))
	}
	return v, nil
}

// ownerFact is who manages the organization, or is asked to.
func ownerFact(t store.Tenant) templates.Fact {
	f := templates.Fact{Label: "Owner", Value: text(t.ClerkOwnerID), Mono: true}
	switch {
	case t.ClerkOwner == nil:
	case *t.ClerkOwner == "invited":
		f.Note = "invited, without an account yet"
	default:
		f.Note = "has an account"
	}
	if f.Value == "" {
		f.Value, f.Note, f.Mono = f.Note, "", false
	}
	return f
}

// memberFact is one member: who, as what, and whether they still are one.
func memberFact(m store.ClerkMember, owner string, at func(time.Time) templates.Moment) templates.Fact {
	f := templates.Fact{Label: "Member", Value: text(m.UserID), Mono: true, Kind: templates.Well, Note: text(m.Role)}
	if m.CreatedAt != nil {
		since := at(*m.CreatedAt)
		f.Time = &since
	}
	is := func(b *bool) bool { return b != nil && *b }
	switch {
	case m.UserDeletedAt != nil:
		f.Kind, f.Note = templates.Off, "user deleted"
		gone := at(*m.UserDeletedAt)
		f.Time = &gone
	case m.DeletedAt != nil:
		f.Kind, f.Note = templates.Off, "not a member any more"
		gone := at(*m.DeletedAt)
		f.Time = &gone
	case is(m.Banned):
		f.Kind, f.Note = templates.Broken, joined(f.Note, "banned")
	case is(m.Locked):
		f.Kind, f.Note = templates.Wait, joined(f.Note, "locked")
	case m.EmailVerified != nil && !*m.EmailVerified:
		f.Kind, f.Note = templates.Wait, joined(f.Note, "address not verified")
	}
	if owner != "" && text(m.UserID) == owner {
		f.Note = joined("the owner", f.Note)
		if f.Kind == templates.Off {
			f.Kind = templates.Broken
		}
	}
	return f
}
