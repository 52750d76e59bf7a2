package budget

import (
	"context"
	"fmt"
	"time"
)

// State is what the fleet knows of a store's allowance. Times are this process's.
type State struct {
	Limit        int           // calls a window
	Window       time.Duration // how long a window is
	Left         int           // calls that nobody has taken yet in this window
	Reset        time.Time     // when Left is Limit again; zero: it is already
	BlockedUntil time.Time     // until when Salla asked for silence; zero: it did not
	Known        bool          // an answer of Salla has told Limit; else it is a guess

	// Customers is what is left to calls of the customers endpoints, which all stores
	// share that are called from this process's egress address.
	Customers Share
}

// Share is the allowance that stores share.
type Share struct {
	Limit               int
	Window              time.Duration
	Left                int
	Reset, BlockedUntil time.Time // as in State
}

// asked bounds how many buckets are read in one go: Redis does nothing else meanwhile.
const asked = 200

// State tells what is known of the allowance of each of the merchants, also of those
// that have made no call yet. It changes nothing and costs one round trip.
func (b *Budget) State(ctx context.Context, merchants ...int64) (map[int64]State, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out := make(map[int64]State, len(merchants))
	for len(merchants) > 0 {
		some := merchants[:min(asked, len(merchants))]
		merchants = merchants[len(some):]
		keys := []string{b.customersKey()}
		for _, m := range some {
			keys = append(keys, b.storeKey(m))
		}
		rows, err := stateScript.Run(ctx, b.rdb, keys,
			b.now(), customersLimit, customersWindow.Milliseconds(), assumedLimit, assumedWindow.Milliseconds()).Slice()
		if err != nil {
			return nil, unavailable("read the budget", err)
		}
		shares := make([]shared, len(keys))
		now := b.local()
		for i := range shares {
			if shares[i], err = readShare(rows, i, now); err != nil {
				return nil, err
			}
		}
		customers := shares[0].Share
		customers.Window = customersWindow
		for i, m := range some {
			s := shares[i+1]
			out[m] = State{
				Limit: s.Limit, Window: assumedWindow, Left: s.Left, Reset: s.Reset, BlockedUntil: s.BlockedUntil,
				Known: s.known, Customers: customers,
			}
		}
	}
	return out, nil
}

type shared struct {
	Share
	known bool
}

// readShare reads one bucket of the script's answer: limit, left, ms until the reset,
// ms until the silence is over, known.
func readShare(rows []any, i int, now time.Time) (shared, error) {
	var n [5]int64
	if len(rows) <= i {
		return shared{}, fmt.Errorf("read the budget: %d buckets", len(rows))
	}
	row, ok := rows[i].([]any)
	if !ok || len(row) != len(n) {
		return shared{}, fmt.Errorf("read the budget: a bucket is %v", rows[i])
	}
	for j, v := range row {
		if n[j], ok = v.(int64); !ok {
			return shared{}, fmt.Errorf("read the budget: %v is no number", v)
		}
	}
	after := func(ms int64) time.Time {
		if ms <= 0 {
			return time.Time{}
		}
		return now.Add(time.Duration(ms) * time.Millisecond)
	}
	return shared{
		Share: Share{Limit: int(n[0]), Left: int(n[1]), Reset: after(n[2]), BlockedUntil: after(n[3])},
		known: n[4] == 1,
	}, nil
}
