// Package budget shares Salla's request limits among all processes: one bucket
// per store, learned from what Salla's answers announce, and one per egress
// address for the customers endpoints, whose limit is counted by address. The
// buckets live in Redis and are only ever changed by one script each, so that two
// takers never take the same call. Losing them costs nothing but learning anew.
package budget

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// What is assumed before an answer has told, where the store's plan is not known
// either, and what Salla documents of the customers endpoints.
const (
	assumedLimit  = 60
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

	// Clocks that a test sets: Redis's and this process's.
	theirs, ours func() time.Time
}

// Call is a call that was taken. Its answer is for Observe.
type Call struct {
	merchant  int64
	limit     int // that was assumed
	customers bool
	marks     [2]mark // in the store's bucket and the customers'
}

// mark is where in a bucket's life a call was taken: how many had been taken and
// answered, and the least that had been announced to remain.
type mark struct{ taken, answered, least int64 }

// Answer is what an answer says of the limits.
type Answer struct {
	Limit, Remaining int           // Limit 0: not said
	Reset            time.Time     // in whole seconds, rounded down; zero: not said
	RetryAfter       time.Duration // how long to be silent; 0: not said
	Refused          bool          // too many requests: the call was not served
}

// New returns the budget kept in rdb, which the caller closes.
func New(rdb redis.UniversalClient) *Budget {
	// The braces keep a store's and the egress's bucket in one slot of a cluster:
	// a script touches both.
	return &Budget{Egress: "default", rdb: rdb, prefix: "{wosool:budget}:"}
}

// Take takes one call from what the store may still make, or returns a *fault.Wait
// that ends when it is worth asking again. Until an answer has told the limit it is
// what the store's plan allows a minute, 0 if that is unknown. If Redis does not
// answer it returns fault.Unavailable: an unknown budget is not a free one.
func (b *Budget) Take(ctx context.Context, merchant int64, class Class, plan int) (Call, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	call := Call{merchant: merchant, limit: cmp.Or(plan, assumedLimit), customers: class.Customers()}
	told, err := takeScript.Run(ctx, b.rdb, b.keys(call),
		b.now(), int(class.plain()), class.reserve(), class.spare(), class.stagger().Milliseconds(),
		call.limit, assumedWindow.Milliseconds(), customersLimit, customersWindow.Milliseconds()).Int64Slice()
	if err != nil {
		return Call{}, unavailable("take from the budget", err)
	}
	if wait := time.Duration(told[0]) * time.Millisecond; wait > 0 && protect.Budget {
		return Call{}, fault.WaitUntil(b.local().Add(wait), "room in Salla's limit of requests")
	}
	for i := range call.marks {
		if at := 1 + 3*i; at+2 < len(told) {
			call.marks[i] = mark{told[at], told[at+1], told[at+2]}
		}
	}
	return call, nil
}

// Observe tells that a call that was taken is over, and learns from its answer; the
// zero Answer is one that did not come, or says nothing. A Redis that is down is no
// error: what Take has counted still holds.
func (b *Budget) Observe(ctx context.Context, call Call, a Answer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	var reset time.Duration
	if !a.Reset.IsZero() { // in whole seconds: it is over within the next
		reset = max(a.Reset.Sub(b.local())+time.Second, 0)
	}
	args := []any{
		b.now(), a.Limit, a.Remaining, reset.Milliseconds(), a.RetryAfter.Milliseconds(), a.Refused,
		call.announced(a, reset), call.culprit(a),
	}
	windows := [2]time.Duration{assumedWindow, customersWindow}
	for i, limit := range [2]int{cmp.Or(call.limit, assumedLimit), customersLimit} {
		m := call.marks[i]
		args = append(args, limit, windows[i].Milliseconds(), m.taken, m.answered, m.least)
	}
	_ = observeScript.Run(ctx, b.rdb, b.keys(call), args...).Err()
}

// The buckets, as the scripts number them.
const (
	ofStore = 1 + iota
	ofCustomers
)

// announced tells which bucket the headers speak of. Salla documents one set of
// headers and two limits: what is longer than any plan's window, or is exactly the
// customers' limit, is the latter.
func (c Call) announced(a Answer, reset time.Duration) int {
	if c.customers && (a.Limit == customersLimit || reset > 2*assumedWindow) {
		return ofCustomers
	}
	return ofStore
}

// culprit tells whose limit refuses the call, or asks for silence: the customers',
// where the store has calls left or the silence is longer than its window.
func (c Call) culprit(a Answer) int {
	if c.customers && (a.Limit > 0 && a.Remaining > 0 || a.RetryAfter > assumedWindow+30*time.Second) {
		return ofCustomers
	}
	return ofStore
}

func (b *Budget) keys(c Call) []string {
	if c.customers {
		return []string{b.storeKey(c.merchant), b.customersKey()}
	}
	return []string{b.storeKey(c.merchant)}
}

// now is what a script takes for the time: 0 is Redis's own.
func (b *Budget) now() int64 {
	if b.theirs == nil {
		return 0
	}
	return b.theirs().UnixMilli()
}

// local is the time by this process, in which callers are told of waits.
func (b *Budget) local() time.Time {
	if b.ours == nil {
		return time.Now()
	}
	return b.ours()
}

func (b *Budget) storeKey(merchant int64) string {
	return b.prefix + "shop:" + strconv.FormatInt(merchant, 10)
}

func (b *Budget) customersKey() string { return b.prefix + "egress:" + b.Egress }

func unavailable(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, fault.Unavailable, err)
}
