package budget_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

const shop = 1305146709

func newRedis(t *testing.T) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(dbtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// waits gives how long err asks to wait, 0 if it is nil.
func waits(t *testing.T, err error) time.Duration {
	t.Helper()
	if err == nil {
		return 0
	}
	wait, ok := errors.AsType[*fault.Wait](err)
	if !ok || wait.Until.IsZero() {
		t.Fatalf("got %v, want nothing or a wait with a time", err)
	}
	return time.Until(wait.Until)
}

// take takes a call and gives how long to wait for it.
func take(t *testing.T, b *budget.Budget, store int64, class budget.Class) time.Duration {
	t.Helper()
	_, err := b.Take(t.Context(), store, class, 0)
	return waits(t, err)
}

// learn makes one call whose answer announces the limit.
func learn(t *testing.T, b *budget.Budget, limit, remaining int, reset time.Duration) {
	t.Helper()
	answer(t, b, shop, budget.Live, budget.Answer{Limit: limit, Remaining: remaining, Reset: time.Now().Add(reset)})
}

// answer makes one call that is answered so.
func answer(t *testing.T, b *budget.Budget, store int64, class budget.Class, a budget.Answer) {
	t.Helper()
	call, err := b.Take(t.Context(), store, class, 0)
	if err != nil {
		t.Fatal(err)
	}
	b.Observe(t.Context(), call, a)
}

func TestFleetNeverPassesTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 60
	rdb := newRedis(t)
	fleet := []*budget.Budget{budget.New(rdb), budget.New(rdb)}
	reset := time.Now().Add(time.Minute)
	var served atomic.Int64 // what the shop has counted

	var all sync.WaitGroup
	for i := range 8 {
		b := fleet[i%2]
		all.Go(func() {
			for range 40 {
				if call, err := b.Take(t.Context(), shop, budget.Live, 0); err == nil {
					b.Observe(t.Context(), call, budget.Answer{Limit: limit, Remaining: limit - int(served.Add(1)), Reset: reset})
				}
			}
		})
	}
	all.Wait()

	if n := served.Load(); n > limit || n < limit*95/100 {
		t.Fatalf("got %d calls in one minute, want nearly %d and never more", n, limit)
	}
}

func TestClassesLeaveRoomForThoseBeforeThem(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 1000, 999, time.Minute)

	left := map[budget.Class]int{}
	order := []budget.Class{budget.Detail, budget.Detail.Begun(), budget.Page, budget.Provisioning}
	for _, class := range order {
		for take(t, b, shop, class) == 0 {
			left[class]++
		}
	}

	// 150 stay after details, 50 after what they have begun and after pages; both a
	// little less, for the reserve melts as the minute goes by.
	if n := left[budget.Detail]; n < 840 || n > 870 {
		t.Errorf("got %d details, want 848", n)
	}
	if n := left[budget.Detail.Begun()]; n < 98 || n > 110 {
		t.Errorf("got %d calls for details that have begun, want 100", n)
	}
	if n := left[budget.Page]; n > 2 {
		t.Errorf("got %d pages, want none after the details", n)
	}
	if n := left[budget.Provisioning]; n < 40 || n > 50 {
		t.Errorf("got %d provisioning calls, want the last 50", n)
	}
	live, page := take(t, b, shop, budget.Live), take(t, b, shop, budget.Page)
	detail := take(t, b, shop, budget.Detail)
	if live < 55*time.Second || live > 62*time.Second {
		t.Errorf("got a wait of %v, want until the minute is over", live)
	}
	if detail <= page || page <= live {
		t.Errorf("details come back after %v, pages after %v, live reads after %v: want these first", detail, page, live)
	}
}

func TestWindowOpensAgain(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 10, 0, 0)
	if take(t, b, shop, budget.Live) == 0 {
		t.Fatal("a call was given out of nothing")
	}

	dbtest.Eventually(t, 10*time.Second, "the next window", func() bool { return take(t, b, shop, budget.Live) == 0 })

	n := 1
	for take(t, b, shop, budget.Live) == 0 {
		n++
	}
	if n > 10 {
		t.Errorf("got %d calls in a window of 10", n)
	}
}

func TestOthersUseTheSameLimit(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 100, 3, time.Minute) // another app has used most of it
	n := 0
	for take(t, b, shop, budget.Live) == 0 {
		n++
	}
	if n != 3 {
		t.Errorf("got %d calls, want the 3 that remain", n)
	}
}

func TestRetryAfterSilencesTheStore(t *testing.T) {
	t.Parallel()
	rdb := newRedis(t)
	b, another := budget.New(rdb), budget.New(rdb)
	learn(t, b, 100, 99, time.Minute)
	answer(t, b, shop, budget.Live, budget.Answer{
		Limit: 100, Remaining: 98, Reset: time.Now().Add(time.Minute), RetryAfter: 7 * time.Second,
	})

	for _, member := range []*budget.Budget{b, another} {
		if wait := take(t, member, shop, budget.Live); wait < 6*time.Second {
			t.Errorf("got a wait of %v, want the 7 s that Salla asked for", wait)
		}
	}
	if wait := take(t, b, shop+1, budget.Live); wait != 0 {
		t.Errorf("another store waits %v, want none", wait)
	}
}

// A refusal that says nothing ends the window.
func TestBareRefusalEndsTheWindow(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 100, 20, 30*time.Second)
	answer(t, b, shop, budget.Live, budget.Answer{Refused: true})
	if wait := take(t, b, shop, budget.Live); wait < 20*time.Second {
		t.Errorf("got a wait of %v, want until the reset", wait)
	}
}

func TestBareRefusalWithMuchLeftIsAPause(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 100, 99, 30*time.Second)
	answer(t, b, shop, budget.Live, budget.Answer{Refused: true})
	if wait := take(t, b, shop, budget.Live); wait < 4*time.Second || wait > 6*time.Second {
		t.Errorf("got a wait of %v, want five seconds", wait)
	}
}

func TestCustomersShareTheirEgress(t *testing.T) {
	t.Parallel()
	rdb := newRedis(t)
	here, there := budget.New(rdb), budget.New(rdb)
	there.Egress = "elsewhere"
	class := budget.Page.OfCustomers()
	taken := 0
	for store := int64(1); taken < 1000; store++ {
		call, err := here.Take(t.Context(), store, class, 0)
		if waits(t, err) > 0 {
			break
		}
		here.Observe(t.Context(), call, budget.Answer{Limit: 1000, Remaining: 999, Reset: time.Now().Add(time.Minute)})
		taken++
	}

	if taken < 475 || taken > 477 { // 500 but for what pages leave to live reads
		t.Errorf("got %d calls over all stores, want 475 of the 500", taken)
	}
	if take(t, here, 9000, budget.Live.OfCustomers()) != 0 {
		t.Error("a live read waits for pages of customers")
	}
	if take(t, here, 9000, budget.Page) != 0 {
		t.Error("other endpoints wait for the customers' limit")
	}
	if take(t, there, 9000, class) != 0 {
		t.Error("another egress address waits for this one's limit")
	}
}

func TestCustomersRefusalSparesTheStore(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	answer(t, b, shop, budget.Page.OfCustomers(), budget.Answer{
		Limit: 360, Remaining: 300, Reset: time.Now().Add(time.Minute), RetryAfter: 9 * time.Minute, Refused: true,
	})

	for _, store := range []int64{shop, shop + 1} {
		if wait := take(t, b, store, budget.Live.OfCustomers()); wait < 8*time.Minute {
			t.Errorf("customers wait %v, want the 9 minutes that were asked for", wait)
		}
	}
	if wait := take(t, b, shop, budget.Page); wait != 0 {
		t.Errorf("products wait %v, want none", wait)
	}
}

func TestUnknownLimitBeginsGently(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	n := 0
	for take(t, b, shop, budget.Page) == 0 {
		n++
	}
	if n != 20 {
		t.Errorf("got %d calls before any was answered, want 20", n)
	}
}

// Until an answer has told, the store's plan says the limit; then the answer does.
func TestLimitIsThePlansUntilAnAnswerTells(t *testing.T) {
	t.Parallel()
	for plan, want := range map[int]int{0: 60, 120: 120, 720: 720} {
		b := budget.New(newRedis(t))
		n := 0
		for ; n <= 720; n++ {
			call, err := b.Take(t.Context(), shop, budget.Live, plan)
			if err != nil {
				break
			}
			b.Observe(t.Context(), call, budget.Answer{}) // says nothing
		}
		if n != want {
			t.Errorf("plan of %d: got %d calls, want %d", plan, n, want)
		}
	}

	b := budget.New(newRedis(t))
	learn(t, b, 360, 359, time.Minute)
	n := 0
	for {
		if _, err := b.Take(t.Context(), shop, budget.Live, 120); err != nil {
			break
		}
		n++
	}
	if n != 359 {
		t.Errorf("an answer said 360: got %d calls more, want 359", n)
	}
}

// Those who wait do not all come back at once.
func TestWaitersComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 720, 0, 30*time.Second)
	seconds := map[int]int{}
	for range 50 {
		seconds[int(take(t, b, shop, budget.Live)/time.Second)]++
	}
	for at, n := range seconds {
		if n > 24 {
			t.Errorf("%d of 50 come back in second %d, want them spread as the limit allows", n, at)
		}
	}
}

func TestStateTellsTheAllowance(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 360, 200, 30*time.Second)
	if take(t, b, shop, budget.Page.OfCustomers()) != 0 { // still in flight
		t.Fatal("no call of 200")
	}
	answer(t, b, shop+1, budget.Live, budget.Answer{RetryAfter: 9 * time.Second})

	states, err := b.State(t.Context(), shop, shop+1, shop+2)
	if err != nil {
		t.Fatal(err)
	}

	s := states[shop]
	if in := time.Until(s.Reset); !s.Known || s.Limit != 360 || s.Left != 199 || s.Window != time.Minute ||
		in < 28*time.Second || in > 32*time.Second || !s.BlockedUntil.IsZero() {
		t.Errorf("got %+v, want 199 of 360 left for 30 s", s)
	}
	if c := s.Customers; c.Limit != 500 || c.Left != 499 || c.Window != 10*time.Minute || c.Reset.IsZero() {
		t.Errorf("got customers %+v, want 499 of 500 left", c)
	}
	if s := states[shop+1]; s.Known || time.Until(s.BlockedUntil) < 7*time.Second {
		t.Errorf("got %+v, want silence for 9 s", s)
	}
	if s := states[shop+2]; s.Known || s.Limit != 60 || s.Left != 60 || !s.Reset.IsZero() {
		t.Errorf("got %+v of a store without calls, want what is assumed", s)
	}
}

func TestRedisDownIsNoPass(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: listener.Addr().String(), MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = rdb.Close() })
	b := budget.New(rdb)

	_, err = b.Take(t.Context(), shop, budget.Live, 0)

	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if _, wait := errors.AsType[*fault.Wait](err); wait {
		t.Error("an unknown budget is a wait, want an error that is tried again")
	}
	b.Observe(context.Background(), budget.Call{}, budget.Answer{Limit: 10, Remaining: 1, Reset: time.Now()})
}
