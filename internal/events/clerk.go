package events

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// applyClerk applies an event of Clerk. Its documents come in any order, so the one
// thing that follows from them is to look: where a new member may be a tenant's
// invited owner, the tenant's last step asks Clerk again.
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
	if env := parse(e.Source, body); env.Failed != "" {
		return nil, fault.New(fault.Invalid, "%s", env.Failed)
	}
	var doc struct {
		Instance string `json:"instance_id"`
		Data     struct {
			Organization struct {
				ID string `json:"id"`
			} `json:"organization"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return nil, fault.New(fault.Invalid, "its document cannot be read")
	}
	if a.ClerkInstance != "" && doc.Instance != a.ClerkInstance {
		return a.ignore(ctx, l, nil, "it is of another instance of Clerk")
	}
	switch e.Event {
	case "organizationMembership.created", "organizationMembership.updated":
	default:
		return a.ignore(ctx, l, nil, "nothing here follows %s", e.Event)
	}
	return a.DB.EndMembership(ctx, l, doc.Data.Organization.ID)
}
