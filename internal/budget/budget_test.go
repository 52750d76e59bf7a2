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

// learn makes one call whose answer announces the limit.
func learn(t *testing.T, b *budget.Budget, limit, remaining int, reset time.Duration) {
	t.Helper()
	if err := b.Take(t.Context(), shop, budget.Live, 1); err != nil {
		t.Fatal(err)
	}
	b.Observe(t.Context(), shop, false, limit, remaining, time.Now().Add(reset), 0)
}

func TestFleetNeverPassesTheLimit(t *testing.T) {
	t.Parallel()
	const limit = 60
	rdb := newRedis(t)
	fleet := []*budget.Budget{budget.New(rdb), budget.New(rdb)}
	reset := time.Now().Add(time.Minute)
	var served atomic.Int64 // what the shop has counted
	answer := func(b *budget.Budget) {
		b.Observe(t.Context(), shop, false, limit, limit-int(served.Add(1)), reset, 0)
	}

	var all sync.WaitGroup
	for i := range 8 {
		b := fleet[i%2]
		all.Go(func() {
			for range 40 {
				if err := b.Take(t.Context(), shop, budget.Live, 1); err == nil {
					answer(b)
				}
			}
		})
	}
	all.Wait()

	if n := served.Load(); n > limit || n < limit-20 {
		t.Fatalf("got %d calls in one minute, want nearly %d and never more", n, limit)
	}
}

func TestClassesLeaveRoomForThoseBeforeThem(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 100, 99, time.Minute)

	left := map[budget.Class]int{}
	for _, class := range []budget.Class{budget.Detail, budget.Page, budget.Provisioning} {
		for waits(t, b.Take(t.Context(), shop, class, 1)) == 0 {
			left[class]++
		}
	}

	// 15 stay after details, 5 after pages.
	if left[budget.Detail] != 84 || left[budget.Page] != 10 || left[budget.Provisioning] != 5 {
		t.Errorf("got %d details, %d pages, %d provisioning calls, want 84, 10 and 5",
			left[budget.Detail], left[budget.Page], left[budget.Provisioning])
	}
	live := waits(t, b.Take(t.Context(), shop, budget.Live, 1))
	detail := waits(t, b.Take(t.Context(), shop, budget.Detail, 1))
	if live < 55*time.Second || live > 62*time.Second {
		t.Errorf("got a wait of %v, want until the minute is over", live)
	}
	if detail <= live {
		t.Errorf("details come back after %v, live reads after %v: want these first", detail, live)
	}
}

func TestWindowOpensAgain(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 10, 0, 0)
	if waits(t, b.Take(t.Context(), shop, budget.Live, 1)) == 0 {
		t.Fatal("a call was given out of nothing")
	}

	dbtest.Eventually(t, 10*time.Second, "the next window", func() bool {
		return waits(t, b.Take(t.Context(), shop, budget.Live, 1)) == 0
	})

	n := 1
	for waits(t, b.Take(t.Context(), shop, budget.Live, 1)) == 0 {
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
	for waits(t, b.Take(t.Context(), shop, budget.Live, 1)) == 0 {
		n++
	}
	if n != 3 {
		t.Errorf("got %d calls, want the 3 that remain", n)
	}
}

func TestRetryAfterSilencesTheStore(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	learn(t, b, 100, 99, time.Minute)
	b.Observe(t.Context(), shop, false, 100, 0, time.Now().Add(time.Minute), 7*time.Second)

	if wait := waits(t, b.Take(t.Context(), shop, budget.Live, 1)); wait < 6*time.Second {
		t.Errorf("got a wait of %v, want the 7 s that Salla asked for", wait)
	}
	if wait := waits(t, b.Take(t.Context(), shop+1, budget.Live, 1)); wait != 0 {
		t.Errorf("another store waits %v, want none", wait)
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
		if waits(t, here.Take(t.Context(), store, class, 1)) > 0 {
			break
		}
		here.Observe(t.Context(), store, true, 1000, 999, time.Now().Add(time.Minute), 0)
		taken++
	}

	if taken != 475 { // 500 but for what pages leave to live reads
		t.Errorf("got %d calls over all stores, want 475 of the 500", taken)
	}
	if waits(t, here.Take(t.Context(), 9000, budget.Page, 1)) != 0 {
		t.Error("other endpoints wait for the customers' limit")
	}
	if waits(t, there.Take(t.Context(), 9000, class, 1)) != 0 {
		t.Error("another egress address waits for this one's limit")
	}
}

func TestCustomersRefusalSparesTheStore(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	if err := b.Take(t.Context(), shop, budget.Page.OfCustomers(), 1); err != nil {
		t.Fatal(err)
	}
	b.Observe(t.Context(), shop, true, 360, 300, time.Now().Add(time.Minute), 9*time.Minute)

	if wait := waits(t, b.Take(t.Context(), shop, budget.Page.OfCustomers(), 1)); wait < 8*time.Minute {
		t.Errorf("customers wait %v, want the 9 minutes that were asked for", wait)
	}
	if wait := waits(t, b.Take(t.Context(), shop, budget.Page, 1)); wait != 0 {
		t.Errorf("products wait %v, want none", wait)
	}
}

func TestUnknownLimitBeginsGently(t *testing.T) {
	t.Parallel()
	b := budget.New(newRedis(t))
	n := 0
	for waits(t, b.Take(t.Context(), shop, budget.Page, 1)) == 0 {
		n++
	}
	if n != 20 {
		t.Errorf("got %d calls before any was answered, want 20", n)
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

	err = b.Take(t.Context(), shop, budget.Live, 1)

	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if _, wait := errors.AsType[*fault.Wait](err); wait {
		t.Error("an unknown budget is a wait, want an error that is tried again")
	}
	b.Observe(context.Background(), shop, false, 10, 1, time.Now(), 0)
}
