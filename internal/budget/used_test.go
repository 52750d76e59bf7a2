package budget_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
)

// While there is work, the whole allowance is used, and none is made beyond it: of
// windows and of buckets that leak, by a fleet whose clocks differ, with answers that
// come out of order.
func TestAllowanceIsUsedAndNeverPassed(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{60, 120, 720, 7200} {
		for _, leaky := range []bool{false, true} {
			if limit == 7200 && leaky {
				continue // as the others, and slow
			}
			t.Run(fmt.Sprintf("%d leaky %v", limit, leaky), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, limit, leaky)
				minutes := 2
				if limit == 7200 {
					minutes = 1
				}
				for i := range max(6, limit/60) { // enough at once for the limit
					w.details(i)
				}
				w.run(time.Duration(minutes) * time.Minute)

				w.none()
				got, allowed := w.rate().Calls, limit*minutes
				if got < allowed*95/100 {
					t.Errorf("%d of %d calls were used, want 95 %% (%v taken, %v told to wait)", got, allowed, w.taken, w.refused)
				}
				if w.wasted > got/50 {
					t.Errorf("%d of %d calls were made for nothing", w.wasted, got)
				}
			})
		}
	}
}

// All classes have more work than there is allowance for: the urgent ones never wait
// while a call is left, and pages before details.
func TestUrgentCallsDoNotWaitWhileAnyIsLeft(t *testing.T) {
	t.Parallel()
	for _, leaky := range []bool{false, true} {
		t.Run(fmt.Sprintf("leaky %v", leaky), func(t *testing.T) {
			t.Parallel()
			const limit = 120
			w := newWorld(t, limit, leaky)
			for i := range 6 {
				w.details(i)
				w.work(i, budget.Page)
			}
			// A live read or a step of provisioning every six seconds: less than what is
			// kept for them.
			waits := map[budget.Class]int{}
			var tick func(n int)
			tick = func(n int) {
				class := budget.Live
				if n%2 == 1 {
					class = budget.Provisioning
				}
				w.call(n, class, func(wait time.Duration) {
					if wait > 0 && w.left() > 0 {
						waits[class]++
					}
				})
				w.after(6*time.Second, func() { tick(n + 1) })
			}
			tick(0)
			w.run(3 * time.Minute)

			w.none()
			if len(waits) > 0 {
				t.Errorf("%v waited while calls were left", waits)
			}
			if got := w.rate().Calls; got < 3*limit*95/100 {
				t.Errorf("%d of %d calls were used", got, 3*limit)
			}
			if w.taken[budget.Page] <= w.taken[budget.Detail]+w.taken[budget.Detail.Begun()] {
				t.Errorf("got %v, want more pages than details", w.taken)
			}
		})
	}
}

// left is what the fleet believes to be left.
func (w *world) left() int {
	w.t.Helper()
	s, err := w.fleet[0].State(w.t.Context(), shop)
	if err != nil {
		w.t.Fatal(err)
	}
	return s[shop].Left
}

// A plan that changes in the middle of a minute is followed at once.
func TestChangeOfPlanIsFollowed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ from, to int }{{120, 360}, {360, 120}} {
		t.Run(fmt.Sprintf("%d to %d", tt.from, tt.to), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.from, false)
			for i := range 6 {
				w.details(i)
			}
			w.run(5 * time.Second)
			w.shop.SetLimit(shop, tt.to)
			w.run(50 * time.Second)
			if got := w.rate().Calls; tt.to > tt.from && got < tt.to*90/100 {
				t.Errorf("%d calls within the minute, want nearly the new limit", got)
			}
			// Those that were on their way may be beyond the new limit, and no others.
			if r := w.rate(); r.Limited+r.Beyond > 6 {
				t.Errorf("%d were refused, %d beyond the limit, by 6 callers", r.Limited, r.Beyond)
			}
			before := w.rate()
			w.run(2 * time.Minute)
			r := w.rate()
			if r.Limited+r.Beyond > before.Limited+before.Beyond {
				t.Errorf("%d were refused, %d beyond the limit, after the new limit was known", r.Limited, r.Beyond)
			}
			if got := r.Calls - before.Calls; got < 2*tt.to*95/100 {
				t.Errorf("%d of %d calls were used afterwards", got, 2*tt.to)
			}
		})
	}
}

// Calls of a process that died are never answered: they count in their window, and no
// longer.
func TestCallsOfTheDeadEndWithTheirWindow(t *testing.T) {
	t.Parallel()
	const limit = 120
	w := newWorld(t, limit, false)
	w.work(0, budget.Live)
	w.run(2 * time.Second)
	dead := 0
	for range 60 {
		if _, err := w.fleet[1].Take(t.Context(), shop, budget.Live, 0); err == nil {
			dead++
		}
	}
	w.run(59 * time.Second)
	if got := w.rate().Calls; dead < 50 || got > limit-dead {
		t.Errorf("%d calls beside %d that may have been made, want at most %d", got, dead, limit)
	}
	w.run(2 * time.Minute)
	w.none()
	if got := w.rate().Calls; got < 2*limit*95/100 {
		t.Errorf("%d calls in the two minutes after, want %d", got, 2*limit)
	}
}

// Another app uses the same store's allowance: ours takes what is left of it.
func TestWhatOthersUseIsLeftToThem(t *testing.T) {
	t.Parallel()
	const limit = 360
	w := newWorld(t, limit, false)
	for i := range 6 {
		w.work(i, budget.Page)
	}
	var other func()
	other = func() {
		w.ask(0)
		w.after(2*time.Second, other)
	}
	w.at(w.now, other)
	w.run(3 * time.Minute)
	// What the other does after the limit is the other's.
	r := w.rate()
	if r.Limited+r.Beyond > 3*(60/2) {
		t.Errorf("%d were refused, %d beyond the limit", r.Limited, r.Beyond)
	}
	// The other may take the last call of a minute before we know.
	if w.refusals > 3 {
		t.Errorf("%d of our calls were refused", w.refusals)
	}
	if r.Calls < 3*limit*95/100 {
		t.Errorf("%d of %d calls were used", r.Calls, 3*limit)
	}
}

// The customers limit is counted by address: within ten minutes 500 calls, whatever
// the stores allow.
func TestCustomersOfAnAddressStayWithinTheirLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 720, false)
	times := []time.Time{}
	var again func(member int)
	again = func(member int) {
		call, err := w.fleet[member%3].Take(t.Context(), shop, budget.Page.OfCustomers(), 0)
		if wait, ok := errors.AsType[*fault.Wait](err); ok {
			w.again(max(wait.Until.Sub(w.now.Add(w.skew(member))), time.Millisecond), func() { again(member) })
			return
		}
		w.after(100*time.Millisecond, func() {
			times = append(times, w.now)
			w.fleet[member%3].Observe(t.Context(), call, budget.Answer{Limit: 720, Remaining: 700})
			again(member)
		})
	}
	for i := range 3 {
		again(i)
	}
	w.run(21 * time.Minute)

	if n := len(times); n < 2*500*95/100 {
		t.Errorf("%d calls in two windows, want 95 %% of 1000", n)
	}
	if len(times) > 500 {
		if d := times[500].Sub(times[0]); d < 10*time.Minute {
			t.Errorf("501 calls within %v, want ten minutes", d)
		}
	}
}
