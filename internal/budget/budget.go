// Package budget shares Salla's request limits among all processes: one bucket
// per store, learned from what Salla's answers announce, and one per egress
// address for the customers endpoints, whose limit is counted by address. The
// buckets live in Redis and are only ever changed by one script each, so that two
// takers never take the same call. Losing them costs nothing but learning anew.
package budget

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// What is assumed before an answer has told, and what Salla documents of the
// customers endpoints.
const (
	assumedLimit  = 120
	assumedWindow = time.Minute

	customersLimit  = 500
	customersWindow = 10 * time.Minute
)

// timeout bounds one round trip: while Redis is down its client dials on and on.
const timeout = 2 * time.Second

// Budget hands out calls. It is safe for concurrent use.
type Budget struct {
	// Egress names the address that this process calls Salla from; processes that
	// leave by the same address share the customers bucket. New sets "default".
	Egress string

	rdb    redis.UniversalClient
	prefix string
}

// New returns the budget kept in rdb, which the caller closes.
func New(rdb redis.UniversalClient) *Budget {
	// The braces keep a store's and the egress's bucket in one slot of a cluster:
	// a script touches both.
	return &Budget{Egress: "default", rdb: rdb, prefix: "{wosool:budget}:"}
}

// Take takes calls from what the store may still make, or returns a *fault.Wait
// that ends when it is worth asking again. If Redis does not answer it returns
// fault.Unavailable: an unknown budget is not a free one.
func (b *Budget) Take(ctx context.Context, merchant int64, class Class, calls int) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	keys := []string{b.storeKey(merchant)}
	if class.Customers() {
		keys = append(keys, b.customersKey())
	}
	ms, err := takeScript.Run(ctx, b.rdb, keys,
		calls, class.reserve(), class.stagger().Milliseconds(),
		assumedLimit, assumedWindow.Milliseconds(), customersLimit, customersWindow.Milliseconds()).Int64()
	if err != nil {
		return unavailable("take from the budget", err)
	}
	if ms > 0 && protect.Budget {
		return fault.WaitUntil(time.Now().Add(time.Duration(ms)*time.Millisecond), "room in Salla's limit of requests")
	}
	return nil
}

// Observe learns from the headers of one answer: the limit and what remains of it
// until reset, and how long Salla asks to wait. Zero means that the answer did not
// say. An answer that cannot be learned from, or a Redis that is down, is no
// error: what Take has counted still holds.
func (b *Budget) Observe(
	ctx context.Context, merchant int64, customers bool, limit, remaining int, reset time.Time, retryAfter time.Duration,
) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	now := time.Now()
	keys := []string{b.storeKey(merchant)}
	if customers {
		keys = append(keys, b.customersKey())
	}
	var resetMS int64
	if reset.After(now.Add(-time.Hour)) {
		resetMS = reset.UnixMilli()
	}
	_ = observeScript.Run(ctx, b.rdb, keys,
		limit, remaining, resetMS, retryAfter.Milliseconds(), b.announces(customers, limit, reset, now),
		assumedLimit, assumedWindow.Milliseconds(), customersLimit, customersWindow.Milliseconds()).Err()
}

// announces tells which bucket the headers speak of: 1 the store's, 2 the
// customers'. Salla documents one set of headers and two limits: what is larger
// than any plan's window, or is exactly the customers' limit, is the latter.
func (b *Budget) announces(customers bool, limit int, reset, now time.Time) int {
	if customers && (limit == customersLimit || reset.Sub(now) > 2*assumedWindow) {
		return 2
	}
	return 1
}

func (b *Budget) storeKey(merchant int64) string {
	return b.prefix + "store:" + strconv.FormatInt(merchant, 10)
}

func (b *Budget) customersKey() string { return b.prefix + "customers:" + b.Egress }

func unavailable(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, fault.Unavailable, err)
}
