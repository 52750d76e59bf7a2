package provision

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
)

// requests counts what is asked for, and loses the replies to the first of some.
type requests struct {
	mu   sync.Mutex
	made map[string]int
	lose map[string]int
}

func (q *requests) answered(_ int, r *http.Request) error {
	name := r.Method + " " + r.URL.Path[strings.LastIndex(r.URL.Path, "/"):]
	q.mu.Lock()
	defer q.mu.Unlock()
	q.made[name]++
	if q.made[name] <= q.lose[name] {
		return errReplyLost
	}
	return nil
}

func (q *requests) of(name string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.made[name]
}

// What a request has made whose reply was lost is found, and used: nothing is asked
// for a second time.
func TestFaultLostRepliesMakeNothingTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 3001})
	asked := &requests{made: map[string]int{}, lose: map[string]int{
		"POST /organizations": 1, "POST /users": 1, "POST /memberships": 1, "POST /subscribe": 3,
	}}
	w.wire.onCall(asked.answered)

	got := w.untilReady(task)

	w.whole(got, "3001")
	for name, want := range map[string]int{
		"POST /organizations": 1, "POST /users": 1, "POST /memberships": 1, "POST /subscribe": len(Events()),
	} {
		if n := asked.of(name); n != want {
			t.Errorf("%s was called %d times, want %d", name, n, want)
		}
	}
}

// Clerk is asked who has the owner's address before anybody is made.
func TestFaultPersonIsLookedForFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.sandbox.PreexistingUser("there@example.com"); err != nil {
		t.Fatal(err)
	}
	asked := &requests{made: map[string]int{}}
	task := w.installed(sandbox.StoreSpec{Merchant: 3002, Email: "there@example.com"})
	w.wire.onCall(asked.answered)

	got := w.untilReady(task)

	if n := asked.of("POST /users"); n != 0 || *got.ClerkOwner != "invited" {
		t.Errorf("Clerk was asked for %d users, the owner is %s; want none, invited", n, *got.ClerkOwner)
	}
}

// An organization that was made twice all the same is removed by the last step.
func TestFaultTwinOrganizationIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		if _, err := w.p.Clerk.CreateOrganization(t.Context(), clerk.NewOrganization{
			Name: "Roses", PrivateMetadata: clerk.Metadata{storeID: "3003"},
		}); err != nil {
			t.Fatal(err)
		}
	}

	got := w.untilReady(w.installed(sandbox.StoreSpec{Merchant: 3003, Name: "Roses"}))

	w.whole(got, "3003")
	if left := w.marked("3003"); len(left) == 1 && left[0].ID != *got.ClerkOrganizationID {
		t.Errorf("%s is left, which is not the tenant's, %s", left[0].ID, *got.ClerkOrganizationID)
	}
}

// A subscription that somebody replaced by one without our secret is seen by the last
// step and protected, before the tenant is ready again.
func TestFaultUnsignedSubscriptionIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 3004})
	w.untilReady(task)
	c := &salla.Client{BaseURL: w.access.base, HTTP: w.access.http, Token: w.access.tokens[task.ID]}
	replace := func(ctx context.Context) error {
		hooks, err := c.Webhooks(ctx)
		if err != nil {
			return err
		}
		if err := c.Unsubscribe(ctx, hooks[0].ID); err != nil {
			return err
		}
		_, err = c.Subscribe(ctx, hooks[0].Event, publicURL+"/webhooks/salla", "by hand")
		return err
	}
	if err := replace(t.Context()); err != nil {
		t.Fatal(err)
	}

	w.exec(`UPDATE steps SET status = 'pending' WHERE tenant_id = $1 AND name = 'verify'`, task.ID)
	w.exec(`UPDATE tenants SET state = 'runnable', due_at = now() WHERE id = $1`, task.ID)
	got := w.untilReady(task)

	w.whole(got, "3004")
}
