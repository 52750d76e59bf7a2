package provision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// owner gives the tenant's owner a place in its organization and says who and how.
// A store that tells no address has no owner: an operator sees that it needs one.
//
// Whoever was at Clerk before us is never made a member, however well the address
// matches: it is whatever somebody typed into a shop. Such a person is invited.
func (r *round) owner(ctx context.Context, t store.Tenant, in *identityIntent, org string) (id, how string, err error) {
	if t.ClerkOwnerID != nil {
		if admin, err := r.isAdmin(ctx, org, *t.ClerkOwnerID); err != nil || admin {
			return *t.ClerkOwnerID, ownerMember, err
		}
	}
	email := deref(t.OwnerEmail)
	if email == "" {
		return "", "", nil
	}
	found, err := r.users(ctx, email)
	if err != nil {
		return "", "", err
	}
	if len(found) == 0 || !protect.UserFound {
		if found, err = r.createUser(ctx, in, email); err != nil {
			return "", "", err
		}
	}
	for _, u := range found {
		if ours(u, *in, email) {
			return u.ID, ownerMember, r.makeAdmin(ctx, org, u.ID)
		}
	}
	if id, err := r.accepted(ctx, org, found); err != nil || id != "" {
		return id, ownerMember, err
	}
	return "", ownerInvited, r.invite(ctx, in, org, email)
}

// ours tells whether we made the user: the intent says that we were going to, for
// this address, and the user carries the tenant's mark.
func ours(u clerk.User, in identityIntent, email string) bool {
	made := in.Email == email && u.PrivateMetadata.Text(storeID) == in.StoreID
	return u.HasEmail(email) && (made || !protect.Strangers)
}

func (r *round) users(ctx context.Context, email string) ([]clerk.User, error) {
	found, err := r.Clerk.UsersByEmail(ctx, email)
	if err != nil {
		return nil, fmt.Errorf("look up the owner: %w", clerkWords(err))
	}
	return found, nil
}

// createUser makes the owner's user, after nobody was found who has the address.
// The address is only reserved, where Clerk offers that: nobody has proved it.
func (r *round) createUser(ctx context.Context, in *identityIntent, email string) ([]clerk.User, error) {
	if in.Email == email {
		if err := r.settled(in.UserAsked, "the owner"); err != nil {
			return nil, err
		}
	}
	now := time.Now().UTC()
	in.Email, in.UserAsked = email, &now
	if err := r.DB.StepIntent(ctx, r.lease, tenant.StepIdentity, in); err != nil {
		return nil, err
	}
	made, err := r.Clerk.CreateUser(ctx, clerk.NewUser{
		Email: email, Reserved: true, PrivateMetadata: clerk.Metadata{storeID: in.StoreID},
	})
	if err == nil {
		return []clerk.User{made}, nil
	}
	if clerk.IsEmailTaken(err) {
		found, lookup := r.users(ctx, email)
		if lookup == nil && len(found) == 0 {
			lookup = later(fmt.Errorf("create the owner: the address is taken and its user does not show: %w", err))
		}
		return found, lookup
	}
	if notMade(err) {
		// Nothing was made, so whoever has the address from now on is not ours.
		in.Email, in.UserAsked = "", nil
		if err := r.DB.StepIntent(ctx, r.lease, tenant.StepIdentity, in); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("create the owner: %w", clerkWords(err))
}

// makeAdmin makes a user of ours the organization's admin.
func (r *round) makeAdmin(ctx context.Context, org, user string) error {
	admin, err := r.isAdmin(ctx, org, user)
	if err != nil || admin {
		return err
	}
	made, err := r.Clerk.CreateMembership(ctx, org, user, clerk.RoleAdmin)
	if clerk.IsAlreadyMember(err) {
		admin, err = r.isAdmin(ctx, org, user)
		if err != nil || admin {
			return err
		}
		return roleWords(user)
	}
	if err != nil {
		return fmt.Errorf("make the owner the organization's admin: %w", clerkWords(err))
	}
	if made.Role != clerk.RoleAdmin {
		return roleWords(user)
	}
	return nil
}

func (r *round) isAdmin(ctx context.Context, org, user string) (bool, error) {
	memberships, err := r.Clerk.Memberships(ctx, org, user)
	if err != nil {
		return false, fmt.Errorf("read the owner's membership: %w", clerkWords(err))
	}
	for _, m := range memberships {
		if m.Role == clerk.RoleAdmin {
			return true, nil
		}
	}
	return false, nil
}

// accepted returns which of the invited is the organization's admin by now.
func (r *round) accepted(ctx context.Context, org string, invited []clerk.User) (string, error) {
	for _, u := range invited {
		if admin, err := r.isAdmin(ctx, org, u.ID); err != nil || admin {
			return u.ID, err
		}
	}
	return "", nil
}

// invite invites the address once; an invitation that is pending will do.
func (r *round) invite(ctx context.Context, in *identityIntent, org, email string) error {
	if in.Invited == email {
		return nil
	}
	_, err := r.Clerk.Invite(ctx, org, email, clerk.RoleAdmin, "", nil)
	switch {
	case err == nil, clerk.IsInvitationExists(err):
	case clerk.IsAlreadyMember(err):
		return advise(fault.New(fault.Conflict, "the person with the store's address is in the organization already, but not as %s", clerk.RoleAdmin),
			"Give them that role at Clerk, then retry")
	default:
		return fmt.Errorf("invite the owner: %w", clerkWords(err))
	}
	in.Invited = email
	return r.DB.StepIntent(ctx, r.lease, tenant.StepIdentity, in)
}

func roleWords(user string) error {
	return advise(fault.New(fault.Conflict, "the owner %s is in the organization, but not as %s", user, clerk.RoleAdmin),
		"Give them that role at Clerk, then retry")
}

// verifyIdentity returns what is wrong with the tenant's identity, or "". It
// removes organizations that were made twice, and sees whether an invited owner
// has come.
func (r *round) verifyIdentity(ctx context.Context, t store.Tenant) (string, error) {
	in, err := r.identityIntent(ctx, t)
	if err != nil {
		return "", err
	}
	if t.ClerkOrganizationID == nil {
		return "the tenant has no organization at Clerk", nil
	}
	org, err := r.Clerk.Organization(ctx, *t.ClerkOrganizationID)
	if errors.Is(err, fault.NotFound) {
		return "the tenant's organization is not at Clerk any more", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the organization: %w", clerkWords(err))
	}
	if err := checkMark(org, in); err != nil {
		return "", err
	}
	if err := r.removeTwins(ctx, t, in); err != nil {
		return "", err
	}
	switch deref(t.ClerkOwner) {
	case ownerMember:
		admin, err := r.isAdmin(ctx, org.ID, deref(t.ClerkOwnerID))
		if err == nil && !admin {
			return "the owner is not the organization's admin", nil
		}
		return "", err
	case ownerInvited:
		return "", r.seeOwner(ctx, t, org.ID)
	}
	if t.OwnerEmail != nil {
		return "nobody was given a place in the organization", nil
	}
	return "", nil
}

// removeTwins removes the organizations that carry the tenant's mark beside its
// own: a request whose reply was lost has made them. One with members is nobody's
// to remove.
func (r *round) removeTwins(ctx context.Context, t store.Tenant, in identityIntent) error {
	found, err := r.organizations(ctx, in)
	if err != nil {
		return err
	}
	for _, twin := range found {
		if !protect.Twins || twin.ID == *t.ClerkOrganizationID {
			continue
		}
		members, err := r.Clerk.Members(ctx, twin.ID)
		if errors.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read a second organization: %w", clerkWords(err))
		}
		for _, m := range members {
			if m.User.ID != deref(t.ClerkOwnerID) {
				return advise(fault.New(fault.Conflict, "a second organization %s carries the mark of this tenant and has members", twin.ID),
					"Move them to %s and remove the other at Clerk, then retry", *t.ClerkOrganizationID)
			}
		}
		if err := r.Clerk.DeleteOrganization(ctx, twin.ID); err != nil && !errors.Is(err, fault.NotFound) {
			return fmt.Errorf("remove a second organization: %w", clerkWords(err))
		}
		r.Log.WarnContext(ctx, "removed an organization that was made twice", "tenant_id", t.ID, "organization_id", twin.ID)
	}
	return nil
}

// seeOwner records an invited owner who has accepted.
func (r *round) seeOwner(ctx context.Context, t store.Tenant, org string) error {
	found, err := r.users(ctx, deref(t.OwnerEmail))
	if err != nil {
		return err
	}
	id, err := r.accepted(ctx, org, found)
	if err != nil || id == "" {
		return err
	}
	return r.DB.SetClerk(ctx, r.lease, store.ClerkFacts{OrganizationID: org, OwnerID: id, Owner: ownerMember})
}
