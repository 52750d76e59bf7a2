package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// How a tenant stands to its owner at Clerk.
const (
	ownerMember  = "member"
	ownerInvited = "invited"
)

// storeID is the key of the mark that our users and organizations carry.
const storeID = "store_id"

// settle is Provisioner.Settle where none is given.
const settle = 3 * time.Second

// identityIntent is what the identity step was going to make at Clerk. The mark
// and the name are decided once: by them a lost reply is found.
type identityIntent struct {
	StoreID string `json:"store_id"`
	Name    string `json:"name"` // of the organization

	// When the organization was asked for, and no answer has said that it was not made.
	OrganizationAsked *time.Time `json:"organization_asked,omitempty"`
	// The address that nobody had and that we were making a user for, and when.
	Email     string     `json:"email,omitempty"`
	UserAsked *time.Time `json:"user_asked,omitempty"`
	// The address that was invited.
	Invited string `json:"invited,omitempty"`
}

// identity gives the tenant an organization at Clerk, and its owner a place in it:
// a user of our making as its admin, anybody else by an invitation.
func (r *round) identity(ctx context.Context, t store.Tenant) error {
	in, err := r.identityIntent(ctx, t)
	if err != nil {
		return err
	}
	org, err := r.organization(ctx, t, &in)
	if err != nil {
		return err
	}
	facts := store.ClerkFacts{OrganizationID: org.ID, OwnerID: deref(t.ClerkOwnerID), Owner: deref(t.ClerkOwner)}
	if err := r.DB.SetClerk(ctx, r.lease, facts); err != nil {
		return err
	}
	if org, err = r.readBack(ctx, org.ID); err != nil {
		return err
	}
	if err := checkMark(org, in); err != nil {
		return err
	}
	if facts.OwnerID, facts.Owner, err = r.owner(ctx, t, &in, org.ID); err != nil {
		return err
	}
	return r.DB.SetClerk(ctx, r.lease, facts)
}

// identityIntent reads the intent, or decides it.
func (r *round) identityIntent(ctx context.Context, t store.Tenant) (identityIntent, error) {
	var in identityIntent
	if err := r.intent(ctx, tenant.StepIdentity, &in); err != nil || in.StoreID != "" {
		return in, err
	}
	// Without a merchant the tenant itself is the mark, and stays it when a
	// merchant adopts the tenant.
	in.StoreID = "tenant:" + t.ID.String()
	var merchant int64
	if t.Merchant != nil {
		merchant = *t.Merchant
		in.StoreID = strconv.FormatInt(merchant, 10)
	}
	in.Name = clerk.OrganizationName(t.Name, merchant)
	return in, r.DB.StepIntent(ctx, r.lease, tenant.StepIdentity, in)
}

// organization finds the tenant's organization, or makes it.
func (r *round) organization(ctx context.Context, t store.Tenant, in *identityIntent) (clerk.Organization, error) {
	if t.ClerkOrganizationID != nil {
		org, err := r.Clerk.Organization(ctx, *t.ClerkOrganizationID)
		if !errors.Is(err, fault.NotFound) {
			return org, clerkWords(err)
		}
	}
	found, err := r.organizations(ctx, *in)
	if err != nil {
		return clerk.Organization{}, err
	}
	if len(found) > 0 && protect.OrganizationFound {
		return found[0], nil
	}
	if err := r.settled(in.OrganizationAsked, "the organization"); err != nil {
		return clerk.Organization{}, err
	}
	now := time.Now().UTC()
	in.OrganizationAsked, in.Invited = &now, "" // nobody is invited to what is yet to be made
	if err := r.DB.StepIntent(ctx, r.lease, tenant.StepIdentity, in); err != nil {
		return clerk.Organization{}, err
	}
	org, err := r.Clerk.CreateOrganization(ctx, clerk.NewOrganization{
		Name: in.Name, PrivateMetadata: clerk.Metadata{storeID: in.StoreID},
	})
	if notMade(err) {
		in.OrganizationAsked = nil
		if err := r.DB.StepIntent(ctx, r.lease, tenant.StepIdentity, in); err != nil {
			return clerk.Organization{}, err
		}
	}
	if err != nil {
		return clerk.Organization{}, fmt.Errorf("create the organization: %w", clerkWords(err))
	}
	return org, nil
}

// organizations returns those that carry the tenant's mark, oldest first. Others
// may have the same name: it only narrows the search.
func (r *round) organizations(ctx context.Context, in identityIntent) ([]clerk.Organization, error) {
	named, err := r.Clerk.OrganizationsByName(ctx, in.Name)
	if err != nil {
		return nil, fmt.Errorf("search for the organization: %w", clerkWords(err))
	}
	var ours []clerk.Organization
	for _, o := range named {
		if o.PrivateMetadata == nil && o.Name == in.Name { // lists may leave it out
			whole, err := r.Clerk.Organization(ctx, o.ID)
			if errors.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("search for the organization: %w", clerkWords(err))
			}
			o = whole
		}
		if o.PrivateMetadata.Text(storeID) == in.StoreID {
			ours = append(ours, o)
		}
	}
	slices.SortFunc(ours, func(a, b clerk.Organization) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return ours, nil
}

// readBack reads the organization by its id; one that Clerk does not show yet is
// looked for again later.
func (r *round) readBack(ctx context.Context, id string) (clerk.Organization, error) {
	org, err := r.Clerk.Organization(ctx, id)
	if errors.Is(err, fault.NotFound) {
		return org, later(fmt.Errorf("read the organization back: %w", err))
	}
	return org, clerkWords(err)
}

func checkMark(org clerk.Organization, in identityIntent) error {
	if org.PrivateMetadata.Text(storeID) == in.StoreID {
		return nil
	}
	return advise(fault.New(fault.Conflict, "the Clerk organization %s does not carry the mark of this tenant (private metadata store_id = %s)", org.ID, in.StoreID),
		"Somebody has changed it: set the mark again at Clerk if the organization is this merchant's, then retry")
}

// settled waits, after a request whose outcome is not known, until Clerk shows
// what it made of it.
func (r *round) settled(asked *time.Time, what string) error {
	if asked == nil {
		return nil
	}
	if until := asked.Add(cmp.Or(r.Settle, settle)); time.Now().Before(until) {
		return fault.WaitUntil(until, "Clerk to show %s, if a request whose reply was lost has made it", what)
	}
	return nil
}

// notMade tells whether a request has certainly made nothing: Clerk refused it, it
// never left us, or it was kept back while Clerk does not answer.
func notMade(err error) bool {
	if e, ok := errors.AsType[*clerk.Error](err); ok {
		return e.Status/100 == 4 && e.Status != 408
	}
	return clerk.NotSent(err) || circuit.NotMade(err)
}

func clerkWords(err error) error {
	if err == nil {
		return nil
	}
	if after, limited := clerk.IsRateLimited(err); limited {
		return fault.WaitUntil(time.Now().Add(max(after, time.Second)), "Clerk's limit of requests")
	}
	e, _ := errors.AsType[*clerk.Error](err)
	switch {
	case e == nil:
		return err
	case e.Status == 401:
		return advise(err, "Clerk does not know our key: set CLERK_SECRET_KEY to the key of this instance, then retry")
	case clerk.IsQuota(err), e.Status == 402:
		return advise(err, "Clerk's plan has no room for it: raise the plan or remove what is not used, then retry")
	case e.Code == "organization_not_enabled_in_instance":
		return advise(err, "Turn organizations on in Clerk's dashboard, then retry")
	case e.Code == "form_data_missing":
		return advise(err, "Clerk demands more of a user than an e-mail: make these fields optional in Clerk's dashboard, then retry")
	}
	return err
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
