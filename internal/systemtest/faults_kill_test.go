package systemtest

import (
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// shop is a store whose name and address tell its calls to Clerk from others'.
func shop(merchant int64, orders int) sandbox.StoreSpec {
	spec := store(merchant, orders)
	spec.Name = "Shop " + digits(merchant)
	return spec
}

// A worker killed at any boundary of any step, again and again: before the call,
// between the call and its record, after the record. Each tenant becomes whole,
// and nothing of it is there twice.
func TestFaultKilledInProvisioning(t *testing.T) {
	t.Parallel()
	wire := dbtest.NewWire(t, dbtest.AdminURL(t))
	o := options{tenantsURL: wire.URL(), env: patient()}
	for m := int64(73000); m < 73009; m++ {
		o.stores = append(o.stores, shop(m, 4))
	}
	s := newSystem(t, o)
	var (
		info         = sandbox.FaultRule{System: "salla", Path: "/store/info"}
		search       = sandbox.FaultRule{System: "clerk", Method: "GET", Path: "/organizations$"}
		organization = sandbox.FaultRule{System: "clerk", Method: "POST", Path: "/organizations$"}
		owners       = sandbox.FaultRule{System: "clerk", Method: "GET", Path: "/users$"}
		owner        = sandbox.FaultRule{System: "clerk", Method: "POST", Path: "/users$"}
		places       = sandbox.FaultRule{System: "clerk", Method: "GET", Path: "/organizations/ORG/memberships"}
		place        = sandbox.FaultRule{System: "clerk", Method: "POST", Path: "/organizations/ORG/memberships"}
		webhooks     = sandbox.FaultRule{System: "salla", Method: "GET", Path: "/webhooks$"}
		verify       = sandbox.FaultRule{System: "salla", Method: "GET", Path: "/webhooks$", Skip: 1}
		// Registrations go several at once: all that follow are held too.
		subscribe = sandbox.FaultRule{System: "salla", Method: "POST", Path: "/webhooks/subscribe", Skip: 5, Count: 24}
		protect   = sandbox.FaultRule{System: "salla", Method: "PUT", Path: "/webhooks/", Skip: 3, Count: 24}
		imported  = sandbox.FaultRule{System: "salla", Method: "GET", Path: "/customers"}
	)
	hasOrganization := func(m int64) bool { return s.organization(m) != "" }
	hasOwner := func(m int64) bool {
		for _, u := range s.sandbox.ClerkState().Users {
			if u.Private["store_id"] == digits(m) {
				return true
			}
		}
		return false
	}
	hasMember := func(m int64) bool {
		for _, p := range s.sandbox.ClerkState().Memberships {
			if p.Organization == s.organization(m) {
				return true
			}
		}
		return false
	}
	subscribed := func(m int64) bool { return len(s.sandbox.Subscriptions(m)) > 9 }
	const signIn = "user\x00{t}"
	lines := map[int64][]strike{
		73000: {s.atCall(info), s.afterCall(info, nil), s.atCall(search)},
		73001: {s.atCall(organization), s.afterCall(organization, hasOrganization), s.atCall(owners)},
		73002: {s.atCall(owner), s.afterCall(owner, hasOwner), s.atCall(places)},
		73003: {s.afterCall(owner, hasOwner), s.atCall(place), s.afterCall(place, hasMember), s.onWire(wire.CatchRequest, `CREATE ROLE "{t}"`)},
		73004: {
			s.atCall(info), s.onWire(wire.CatchRequest, `CREATE DATABASE "{t}`),
			s.onWire(wire.CatchReply, `CREATE DATABASE "{t}`), s.onWire(wire.CatchReply, `RENAME TO "{t}"`),
		},
		73005: {
			s.atCall(info), s.onWire(wire.CatchRequest, `REVOKE CONNECT, TEMPORARY ON DATABASE "{t}`),
			s.onWire(wire.CatchReply, `ALTER DATABASE "{t}" WITH ALLOW_CONNECTIONS`), s.onWire(wire.CatchRequest, signIn),
		},
		73006: {
			s.atCall(info), s.onWire(wire.CatchRequest, signIn, "INSERT INTO company"),
			s.onWire(wire.CatchReply, signIn, "INSERT INTO workflows", "commit"), s.atCall(webhooks),
		},
		73007: {s.atCall(subscribe), s.afterCall(subscribe, nil), s.afterCall(protect, subscribed)},
		73008: {s.atCall(webhooks), s.atCall(verify), s.atCall(imported)},
	}
	for merchant := range lines {
		s.install(merchant)
	}
	s.strikes(lines)
	s.awaitEqual(t, 90*time.Second, all(lines)...)
	s.invariants(t, 60*time.Second)
}

// A worker killed at any boundary of a page: before its call, with the answer in
// hand, after the tenant's database has it and before the control database does.
// No record is lost, none counted twice.
func TestFaultKilledInPages(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options{
		stores: []sandbox.StoreSpec{shop(73101, 130), shop(73102, 130), shop(73103, 130), shop(73104, 130)}, env: patient(),
	})
	var (
		// Provisioning reads three times; then come the lists.
		lists   = sandbox.FaultRule{System: "salla", Method: "GET", Skip: 3, Count: 100}
		second  = sandbox.FaultRule{System: "salla", Method: "GET", Path: "/orders$", Skip: 1}
		details = sandbox.FaultRule{System: "salla", Method: "GET", Path: "/orders/*", Skip: 20}
	)
	const mirror = `SELECT FROM runs WHERE tenant_id = 'TENANT' FOR UPDATE`
	lines := map[int64][]strike{
		73101: {s.atCall(lists), s.afterCall(second, nil)},
		73102: {
			s.atCall(lists), s.atLock(s.tenantURL, `LOCK TABLE people, salla_products, salla_orders, salla_carts IN SHARE MODE`),
			s.atLock(s.tenantURL, `LOCK TABLE salla_orders IN SHARE MODE`),
		},
		73103: {s.atCall(lists), s.atLock(s.controlURL, mirror), s.atLock(s.controlURL, mirror)},
		73104: {s.atCall(details)}, // at once: details are read faster than workers are killed
	}
	for merchant := range lines {
		s.install(merchant)
	}
	s.strikes(lines)
	s.awaitEqual(t, 90*time.Second, all(lines)...)
	s.invariants(t, 60*time.Second)
}
