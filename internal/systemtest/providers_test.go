package systemtest

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
)

// answer is one way in which a provider goes wrong.
type answer struct {
	name string
	rule sandbox.FaultRule
}

// answers are all of them.
func answers() []answer {
	soon := time.Now().Add(12 * time.Second).UTC().Format(http.TimeFormat)
	status := func(code int, body, after string) sandbox.FaultRule {
		return sandbox.FaultRule{Effect: sandbox.EffectStatus, Status: code, Body: body, RetryAfter: after}
	}
	return []answer{
		{"429 with Retry-After in seconds", status(429, "", "1")},
		{"429 with Retry-After as a date", status(429, "", soon)},
		{"429 without Retry-After", status(429, "", "")},
		{"500", status(500, "", "")},
		{"503 with Retry-After", status(503, "", "1")},
		{"a page with 200", status(200, "html", "")},
		{"a page with 502", status(502, "html", "")},
		{"half an answer", sandbox.FaultRule{Effect: sandbox.EffectTruncate}},
		{"an empty 200", sandbox.FaultRule{Effect: sandbox.EffectEmpty}},
		{"an error with 200", sandbox.FaultRule{Effect: sandbox.EffectError200}},
		{"no answer, after it was done", sandbox.FaultRule{Effect: sandbox.EffectTimeoutAfter}},
		{"a reset before", sandbox.FaultRule{Effect: sandbox.EffectDrop}},
		{"a reset after it was done", sandbox.FaultRule{Effect: sandbox.EffectDropAfter}},
		{"done twice, answered twice", sandbox.FaultRule{Effect: sandbox.EffectTwice}},
	}
}

// Salla and Clerk answer each wrong thing there is, to one store each, where
// something is made and where something is read. Every tenant becomes ready and
// whole by itself, nothing is there twice, and no page of a list is taken for
// what it is not.
func TestFaultProvidersAnswerWrongly(t *testing.T) {
	t.Parallel()
	const first = 76001
	o := options{workers: 2, env: []string{"CALL_DEADLINE=1s"}}
	kinds := answers()
	for i := range kinds {
		o.stores = append(o.stores, shop(first+int64(i), 4))
	}
	s := newSystem(t, o)
	for i, kind := range kinds {
		merchant := first + int64(i)
		if i%2 == 1 { // that person was there before, and is invited
			if _, err := s.sandbox.PreexistingUser(o.stores[i].Email); err != nil {
				t.Fatal(err)
			}
		}
		for _, at := range []sandbox.FaultRule{
			{System: "clerk", Method: http.MethodPost, Path: "/organizations$"},
			{System: "clerk", Method: http.MethodPost, Path: "/users$"},
			{System: "clerk", Method: http.MethodPost, Path: "/organizations/*/invitations"},
			{System: "salla", Method: http.MethodPost, Path: "/webhooks/subscribe", Skip: 2},
			{System: "salla", Path: "/customers$"},
			{System: "salla", Path: "/products$"},
			{System: "salla", Path: "/orders$"},
			{System: "salla", Path: "/orders/*"},
			{System: "salla", Path: "/carts/abandoned"},
		} {
			rule := kind.rule
			rule.System, rule.Method, rule.Path, rule.Skip = at.System, at.Method, at.Path, at.Skip
			s.ruled(rule, merchant)
		}
	}

	for i := range kinds {
		s.install(first + int64(i))
	}

	var merchants []int64
	for i := range kinds {
		merchants = append(merchants, first+int64(i))
	}
	s.awaitEqual(t, 100*time.Second, merchants...)
	s.invariants(t, 30*time.Second)
	s.oneOwnerEach(t, merchants...)
	s.struck(t, kinds, first)
	s.nothingPrivate(t)
}

// struck fails where a fault that was to be met was not.
func (s *system) struck(t *testing.T, kinds []answer, first int64) {
	t.Helper()
	for _, r := range s.sandbox.Faults() {
		for i, kind := range kinds {
			merchant := first + int64(i)
			if r.Merchant != merchant && r.Contains != digits(merchant) {
				continue
			}
			invited := i%2 == 1
			idle := r.Path == "/users$" && invited || r.Path == "/organizations/*/invitations" && !invited
			if r.Struck == 0 && !idle {
				t.Errorf("%s: nothing came to %s %s", kind.name, r.Method, r.Path)
			}
		}
	}
}

// oneOwnerEach fails unless each merchant's organization has one owner: a member
// of our making, or an invitation to somebody who was there before.
func (s *system) oneOwnerEach(t *testing.T, merchants ...int64) {
	t.Helper()
	clerk := s.sandbox.ClerkState()
	for _, m := range merchants {
		org, email := s.organization(m), fmt.Sprintf("owner%d@shop.example", m)
		users, members, invitations := 0, 0, 0
		for _, u := range clerk.Users {
			if u.Email == email {
				users++
			}
		}
		for _, x := range clerk.Memberships {
			if x.Organization == org {
				members++
			}
		}
		for _, x := range clerk.Invitations {
			if x.Organization == org && x.Status == "pending" {
				invitations++
			}
		}
		view, _ := s.tenant(m)
		want := "member"
		if invitations > 0 {
			want = "invited"
		}
		if users != 1 || members+invitations != 1 || view.Clerk.Owner == nil || *view.Clerk.Owner != want {
			t.Errorf("%d: %d users, %d members, %d invitations, owner %v; want one of each person", m, users, members, invitations, view.Clerk.Owner)
		}
	}
}
