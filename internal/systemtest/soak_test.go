//go:build soak

package systemtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// TestSoak lets everything go wrong at random: merchants come, change and go,
// vendors fail, processes die, servers fall away. When it stops, the system
// comes to rest by itself and the invariants hold. SOAK_MINUTES is how long it
// goes on, 5 if not given; SOAK_SEED is where its chances come from.
func TestSoak(t *testing.T) { //nolint:paralleltest // it is alone
	k := newSoak(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("SEED=%d; what was done:\n%s", k.seed, strings.Join(k.trace, "\n"))
		}
	})
	for until := time.Now().Add(k.length); time.Now().Before(until) && !t.Failed(); {
		k.act()
		k.pause()
	}
	k.peace()
	k.invariants(t, 2*time.Minute)
	t.Logf("SEED=%d: %d acts", k.seed, len(k.trace))
}

// soak is a random walk over one system.
type soak struct {
	*system

	length      time.Duration
	seed        uint64
	dice        *rand.Rand
	begun       time.Time
	trace       []string
	installed   map[int64]bool
	postgres    *dbtest.PostgresServer
	server      *dbtest.RedisServer
	redisWire   *dbtest.Wire // between the processes and Redis
	tenantsWire *dbtest.Wire // between the processes and the tenants' databases
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	k := &soak{
		length: 5 * time.Minute, seed: uint64(time.Now().UnixNano()), begun: time.Now(), //nolint:gosec // any will do
		installed: map[int64]bool{}, postgres: dbtest.OwnPostgres(t), server: dbtest.OwnRedis(t),
	}
	if text := os.Getenv("SOAK_MINUTES"); text != "" {
		minutes, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("SOAK_MINUTES: %v", err)
		}
		k.length = time.Duration(minutes * float64(time.Minute))
	}
	if text := os.Getenv("SOAK_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SOAK_SEED: %v", err)
		}
		k.seed = seed
	}
	t.Logf("SEED=%d for %v", k.seed, k.length)
	k.dice = rand.New(rand.NewPCG(k.seed, 1)) //nolint:gosec // a walk is to be repeatable
	k.redisWire, k.tenantsWire = dbtest.NewWire(t, k.server.URL()), dbtest.NewWire(t, k.postgres.URL())
	o := options{
		databaseURL: k.postgres.URL(), tenantsURL: k.tenantsWire.URL(), redisURL: k.redisWire.URL(), workers: 2,
		env: []string{"CALL_DEADLINE=3s", "REFRESH_DEADLINE=3s"},
	}
	for m := int64(79001); m <= 79006; m++ {
		o.stores = append(o.stores, shop(m, 40))
	}
	k.system = newSystem(t, o)
	return k
}

// chance is one act and how likely it is.
type chance struct {
	weight int
	name   string
	do     func()
}

func (k *soak) act() {
	merchants := k.sandbox.Merchants()
	m := merchants[k.dice.IntN(len(merchants))]
	worker := fmt.Sprintf("worker-%d", 1+k.dice.IntN(2))
	chances := []chance{
		{10, "install " + digits(m), func() { k.install(m); k.installed[m] = true }},
		{2, "uninstall " + digits(m), func() { k.leaves(m) }},
		{30, "change " + digits(m), func() { k.change(m) }},
		{6, "kill " + worker, func() { k.kill(worker); k.startWorker(worker) }},
		{3, "stop " + worker, func() { k.signal(worker, syscall.SIGTERM); k.startWorker(worker) }},
		{2, "kill the api", func() { k.kill("api"); k.startAPI(); k.awaitAPI() }},
		{3, "flush Redis", func() { _ = k.server.FlushAll(k.t.Context()) }},
		{1, "kill Redis", func() { k.server.Kill(); k.pause(); k.server.Start() }},
		{2, "refuse Redis", func() { k.redisWire.Refuse(); k.pause(); k.redisWire.Pass() }},
		{2, "silence Redis", func() { k.redisWire.HoldReplies(); k.pause(); k.redisWire.Cut(); k.redisWire.Pass() }},
		{2, "slow Redis", func() { k.redisWire.Slow(20 * time.Millisecond); k.pause(); k.redisWire.Pass() }},
		{1, "kill PostgreSQL", func() { k.postgres.Kill(); k.pause(); k.postgres.Start() }},
		{3, "cut the tenants' databases", k.tenantsWire.Cut},
		{2, "silence the tenants' databases", func() { k.tenantsWire.HoldReplies(); k.pause(); k.tenantsWire.Cut(); k.tenantsWire.Pass() }},
		{3, "end all connections", func() { k.endConnections(k.t) }},
		{3, "expire the token of " + digits(m), func() { k.sandbox.ExpireTokens(m) }},
		{12, "", k.misbehave},
	}
	total := 0
	for _, c := range chances {
		total += c.weight
	}
	roll := k.dice.IntN(total)
	for _, c := range chances {
		if roll -= c.weight; roll < 0 {
			if c.name != "" {
				k.note(c.name)
			}
			c.do()
			return
		}
	}
}

func (k *soak) note(what string) {
	k.trace = append(k.trace, fmt.Sprintf("%8s %s", time.Since(k.begun).Round(time.Millisecond), what))
}

// pause lets the system work for a moment.
func (k *soak) pause() {
	select {
	case <-time.After(time.Duration(k.dice.IntN(800)) * time.Millisecond):
	case <-k.t.Context().Done():
	}
}

func (k *soak) leaves(merchant int64) {
	if !k.installed[merchant] {
		return
	}
	if err := k.sandbox.Uninstall(k.t.Context(), merchant); err != nil {
		k.t.Fatal(err)
	}
	k.installed[merchant] = false
}

// change does something to a store; where there is nothing to do it to, nothing.
func (k *soak) change(merchant int64) {
	any := func(list string) int64 {
		ids := k.sandbox.SourceIDs(merchant, list)
		if len(ids) == 0 {
			return 0
		}
		return ids[k.dice.IntN(len(ids))]
	}
	switch k.dice.IntN(9) {
	case 0, 1:
		_, _ = k.sandbox.CreateOrder(merchant)
	case 2:
		_, _ = k.sandbox.UpdateOrderStatus(merchant, any("orders"), "completed")
	case 3:
		_, _ = k.sandbox.DeleteOrder(merchant, any("orders"))
	case 4:
		_, _ = k.sandbox.ChangePrice(merchant, any("products"), 5+k.dice.Int64N(90))
	case 5:
		_, _ = k.sandbox.DeleteProduct(merchant, any("products"))
	case 6:
		_, _ = k.sandbox.CreateCustomer(merchant)
	case 7:
		_, _ = k.sandbox.AbandonCart(merchant)
	case 8:
		_, _ = k.sandbox.PurchaseCart(merchant, any("carts"))
	}
}

// misbehave has some vendor's next calls, or deliveries, go wrong.
func (k *soak) misbehave() {
	rule := sandbox.FaultRule{
		System: []string{"salla", "salla", "salla", "clerk", "accounts", "delivery"}[k.dice.IntN(6)],
		Count:  1 + k.dice.IntN(5), Skip: k.dice.IntN(10), Latency: time.Duration(k.dice.IntN(300)) * time.Millisecond,
	}
	effects := []string{
		sandbox.EffectLatency, sandbox.EffectStatus, sandbox.EffectStatus, sandbox.EffectDrop, sandbox.EffectTimeoutAfter,
		sandbox.EffectDropAfter, sandbox.EffectEmpty, sandbox.EffectError200, sandbox.EffectTruncate,
	}
	if rule.System == "delivery" {
		effects = []string{
			sandbox.EffectDuplicate, sandbox.EffectReorder, sandbox.EffectStatus, sandbox.EffectDrop,
			sandbox.EffectTimeoutAfter, sandbox.EffectBadSignature,
		}
	}
	rule.Effect = effects[k.dice.IntN(len(effects))]
	if rule.Effect == sandbox.EffectStatus {
		rule.Status = []int{429, 500, 502, 503}[k.dice.IntN(4)]
		rule.Body = []string{"", "html", "empty", "truncated"}[k.dice.IntN(4)]
		rule.RetryAfter = []string{"", "1"}[k.dice.IntN(2)]
	}
	k.note(fmt.Sprintf("%s: %s %d %s, %d times after %d", rule.System, rule.Effect, rule.Status, rule.Body, rule.Count, rule.Skip))
	if _, err := k.sandbox.Fault(rule); err != nil {
		k.t.Fatal(err)
	}
}

// peace ends all faults, and does what people do afterwards: merchants whose
// grant is lost authorize again, and operators retry what was given up and
// import anew what Salla has stopped to send.
func (k *soak) peace() {
	k.t.Helper()
	k.note("peace")
	k.sandbox.ClearFaults()
	k.redisWire.Pass()
	k.tenantsWire.Pass()
	dbtest.Eventually(k.t, time.Minute, "every delivery has come to its end", func() bool {
		return !slices.ContainsFunc(k.sandbox.Deliveries(), func(d sandbox.Delivery) bool { return d.State == sandbox.DeliveryPending })
	})
	k.awaitRest(k.t, 2*time.Minute)
	var installed []int64
	for _, m := range k.sandbox.Merchants() {
		view, known := k.tenant(m)
		if !k.installed[m] {
			continue
		}
		installed = append(installed, m)
		state := ""
		if known && view.Connection != nil {
			state = view.Connection.State
		}
		if state != "active" || view.Status == "suspended" {
			k.note(fmt.Sprintf("authorize %d, which is %s with a connection %s", m, cmp.Or(view.Status, "unknown"), state))
			if err := k.sandbox.Authorize(k.t.Context(), m); err != nil {
				k.t.Fatal(err)
			}
		}
		if view.Status == "failed" {
			k.note("retry " + digits(m))
			k.operate("tenants/"+view.ID+"/retry", "{}")
		}
	}
	for _, m := range installed {
		view := k.awaitStatus(m, "ready")
		k.awaitRest(k.t, 2*time.Minute)
		k.operate("tenants/"+view.ID+"/import", "{}")
	}
	k.awaitRest(k.t, 2*time.Minute)
	k.awaitEqual(k.t, time.Minute, installed...)
}
