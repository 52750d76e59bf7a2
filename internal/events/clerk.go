package events

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// applyClerk mirrors what an event of Clerk says of a user, an organization or a
// membership. Its events come in any order, and our own calls lead to some: what
// follows for a tenant is never taken from them, only that Clerk has to be asked.
func (a *Applier) applyClerk(ctx context.Context, l store.Lease, e store.Event) ([]store.Task, error) {
	p, err := a.DB.Payload(ctx, e.ID)
	if errors.Is(err, fault.NotFound) {
		return a.ignore(ctx, l, nil, "what it said was dropped when its retention was over")
	}
	if err != nil {
		return nil, err
	}
	body := []byte(p.JSON)
	if body == nil {
		body = []byte(p.Text)
	}
	env := parse(e.Source, body)
	if env.Failed != "" {
		return nil, fault.New(fault.Invalid, "%s", env.Failed)
	}
	var doc struct {
		Instance string `json:"instance_id"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return nil, errClerkDocument
	}
	if a.ClerkInstance != "" && doc.Instance != a.ClerkInstance {
		return a.ignore(ctx, l, nil, "it is of another instance of Clerk")
	}
	noun, verb, _ := strings.Cut(e.Event, ".")
	if verb != "created" && verb != "updated" && verb != "deleted" {
		noun = ""
	}
	switch noun {
	case "user":
		u, err := clerkUser(env.Data, e)
		if err != nil {
			return nil, err
		}
		return a.DB.EndClerkUser(ctx, l, u)
	case "organization":
		o, err := clerkOrganization(env.Data, e)
		if err != nil {
			return nil, err
		}
		return a.DB.EndClerkOrganization(ctx, l, o)
	case "organizationMembership":
		m, err := clerkMembership(env.Data, e)
		if err != nil {
			return nil, err
		}
		return a.DB.EndClerkMembership(ctx, l, m)
	}
	return a.ignore(ctx, l, nil, "nothing here follows %s", e.Event)
}

var errClerkDocument = fault.New(fault.Invalid, "its document cannot be read")

// clerkID is the form of an id, with what kind of thing it is of.
var clerkID = regexp.MustCompile(`^(user|org|orgmem)_[A-Za-z0-9]{1,100}$`)

// clerkThing is what each document of Clerk has. Times are Unix milliseconds.
type clerkThing struct {
	ID        string `json:"id"`
	CreatedAt *int64 `json:"created_at"`
	UpdatedAt *int64 `json:"updated_at"`
}

// told says how new a document is. Only the event's name says that it is a deletion:
// a deleted membership looks like any other.
func (t clerkThing) told(kind string, e store.Event) (store.ClerkTold, error) {
	if !isClerkID(kind, t.ID) {
		return store.ClerkTold{}, fault.New(fault.Invalid, "it does not say which %s it is about", kind)
	}
	return store.ClerkTold{
		ID: t.ID, Deleted: strings.HasSuffix(e.Event, ".deleted"),
		CreatedAt: milliseconds(t.CreatedAt), UpdatedAt: milliseconds(t.UpdatedAt), SentAt: sentAt(e), EventID: e.ID,
	}, nil
}

func isClerkID(kind, id string) bool {
	m := clerkID.FindStringSubmatch(id)
	return m != nil && m[1] == kind
}

func milliseconds(n *int64) *time.Time {
	if n == nil || *n <= 0 || *n > 1<<46 {
		return nil
	}
	t := time.UnixMilli(*n).UTC()
	return &t
}

// sentAt is when a message was signed, or else received.
func sentAt(e store.Event) time.Time {
	var headers map[string]string
	if json.Unmarshal(e.Headers, &headers) == nil {
		if n, err := strconv.ParseInt(headers["svix-timestamp"], 10, 40); err == nil {
			return time.Unix(n, 0).UTC()
		}
	}
	return e.ReceivedAt
}

// clerkUser reads a user: nothing of it that tells who that is.
func clerkUser(data json.RawMessage, e store.Event) (u store.ClerkUser, err error) {
	var doc struct {
		clerkThing
		Banned  bool   `json:"banned"`
		Locked  bool   `json:"locked"`
		Primary string `json:"primary_email_address_id"`
		Emails  []struct {
			ID           string `json:"id"`
			Verification struct {
				Status string `json:"status"`
			} `json:"verification"`
		} `json:"email_addresses"`
	}
	if json.Unmarshal(data, &doc) != nil {
		return u, errClerkDocument
	}
	if u.ClerkTold, err = doc.told("user", e); err != nil {
		return u, err
	}
	u.Banned, u.Locked = doc.Banned, doc.Locked
	for _, email := range doc.Emails {
		if email.ID == doc.Primary && email.ID != "" {
			u.EmailVerified = email.Verification.Status == "verified"
		}
	}
	return u, nil
}

func clerkOrganization(data json.RawMessage, e store.Event) (o store.ClerkOrganization, err error) {
	var doc struct {
		clerkThing
		Name    string `json:"name"`
		Private struct {
			StoreID any `json:"store_id"`
		} `json:"private_metadata"`
	}
	if json.Unmarshal(data, &doc) != nil {
		return o, errClerkDocument
	}
	if o.ClerkTold, err = doc.told("org", e); err != nil {
		return o, err
	}
	mark, _ := doc.Private.StoreID.(string) // ours is a text
	o.Name, o.StoreID = clean(doc.Name, 4*256), clean(mark, maxName)
	return o, nil
}

func clerkMembership(data json.RawMessage, e store.Event) (m store.ClerkMembership, err error) {
	var doc struct {
		clerkThing
		Role         string `json:"role"`
		Organization struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"organization"`
		User struct {
			ID string `json:"user_id"`
		} `json:"public_user_data"`
	}
	if json.Unmarshal(data, &doc) != nil {
		return m, errClerkDocument
	}
	if m.ClerkTold, err = doc.told("orgmem", e); err != nil {
		return m, err
	}
	if isClerkID("org", doc.Organization.ID) {
		m.OrganizationID = doc.Organization.ID
	}
	if isClerkID("user", doc.User.ID) {
		m.UserID = doc.User.ID
	}
	if !m.Deleted && (m.OrganizationID == "" || m.UserID == "") {
		return m, fault.New(fault.Invalid, "it does not say who is a member of what")
	}
	m.OrganizationName, m.Role = clean(doc.Organization.Name, 4*256), clean(doc.Role, maxName)
	return m, nil
}
