package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/fault"
)

// yard is a yield whose fleet is what the test says, on a clock of its own.
type yard struct {
	*yield
	registry *prometheus.Registry
	looks    atomic.Int32
	fleets   func() ([]string, error)
}

func newYard() *yard {
	y := &yard{registry: prometheus.NewRegistry(), fleets: func() ([]string, error) { return nil, nil }}
	y.yield = newYield(&Worker{
		Metrics: y.registry, Intervals: config.Intervals{TaskCheck: 200 * time.Millisecond, Unleased: 30 * time.Second},
	})
	y.fleet = func(context.Context) ([]string, error) {
		y.looks.Add(1)
		y.mu.Lock()
		fleets := y.fleets
		y.mu.Unlock()
		return fleets()
	}
	return y
}

// enters lets a piece of bulk work in and tells how long it waited for that.
func (y *yard) enters(t *testing.T) (inside context.Context, waited time.Duration) {
	t.Helper()
	begun := time.Now()
	inside, ok := y.enter(t.Context())
	if !ok {
		t.Fatal("it was turned away")
	}
	return inside, time.Since(begun)
}

// waits is how long a piece of bulk work waits to be let in.
func (y *yard) waits(t *testing.T) time.Duration {
	t.Helper()
	_, waited := y.enters(t)
	return waited
}

// rush has merchants sign up all the time, always somebody new.
func (y *yard) rush() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.fleets = func() ([]string, error) { return []string{"tenant:provision:" + time.Now().String() + ":1"}, nil }
}

func TestBulkWorkWaitsForNobodyWhereNoneIsSetUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		for range 40 {
			if waited := y.waits(t); waited != 0 {
				t.Fatalf("it waited %s, want that it is let in at once", waited)
			}
		}
		if n := y.looks.Load(); n != 1 {
			t.Errorf("Redis was asked %d times at one instant, want once", n)
		}
	})
}

func TestBulkWorkStepsAsideWhileAMerchantIsSetUpHere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		end := y.setup("tenant:provision:a:1")
		begun := time.Now()
		time.AfterFunc(500*time.Millisecond, end)

		waited := y.waits(t)

		if most := 500*time.Millisecond + y.linger + yieldStep; waited < 500*time.Millisecond || waited > most {
			t.Errorf("it waited %s, want until the setup is over and its next task would be there: %s at most", waited, most)
		}
		if looks := int(y.looks.Load()); looks > 2+int(time.Since(begun)/yieldLook) {
			t.Errorf("Redis was asked %d times in %s, want once in %s", looks, time.Since(begun), yieldLook)
		}
		families, err := y.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if spent := families[0].GetMetric()[0].GetCounter().GetValue(); spent != waited.Seconds() {
			t.Errorf("the metric tells of %gs, want %s", spent, waited)
		}
	})
}

func TestBulkWorkStepsAsideForTheWholeFleet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		var over atomic.Bool
		y.fleets = func() ([]string, error) {
			if over.Load() {
				return nil, nil
			}
			return []string{"tenant:provision:elsewhere:1"}, nil
		}
		time.AfterFunc(500*time.Millisecond, func() { over.Store(true) })

		waited := y.waits(t)

		if most := 500*time.Millisecond + yieldLook + y.linger + 2*yieldStep; waited < 500*time.Millisecond || waited > most {
			t.Errorf("it waited %s, want from 500ms to %s", waited, most)
		}
	})
}

// From one task of a setup to the next nobody has it in hand for a moment.
func TestBulkWorkWaitsForTheNextTaskOfASetup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		end := y.setup("event:apply:a:1")
		time.AfterFunc(100*time.Millisecond, end)
		time.AfterFunc(300*time.Millisecond, func() {
			time.AfterFunc(500*time.Millisecond, y.setup("tenant:provision:a:1"))
		})

		if waited := y.waits(t); waited < 800*time.Millisecond {
			t.Errorf("it waited %s, want until the second task is over", waited)
		}
	})
}

// However many merchants sign up, each piece of bulk work goes on after a while.
func TestSignUpsNeverStopBulkWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const workers, pages, page = 12, 60, 100 * time.Millisecond
		y := newYard()
		y.rush()
		var left, done atomic.Int64
		left.Store(pages)
		waits := make(chan time.Duration, pages)
		var group sync.WaitGroup
		begun := time.Now()
		for range workers {
			group.Go(func() {
				for left.Add(-1) >= 0 {
					asked := time.Now()
					inside, ok := y.enter(t.Context())
					if !ok {
						return
					}
					StepAside(inside) // between the answer and the landing
					waits <- time.Since(asked)
					time.Sleep(page)
					done.Add(1)
				}
			})
		}
		group.Wait()
		took := time.Since(begun)

		close(waits)
		for waited := range waits {
			if waited < yieldMost/2 || waited > yieldMost+2*yieldStep {
				t.Errorf("a page waited %s, want from %s to %s", waited, yieldMost/2, yieldMost)
			}
		}
		least, most := (yieldMost/2+page)*pages/workers, (yieldMost+2*yieldStep+page)*(pages/workers+1)
		if done.Load() != pages || took < least || took > most {
			t.Errorf("%d of %d pages took %s, want all, from %s to %s", done.Load(), pages, took, least, most)
		}
	})
}

// A setup that waits for a provider leaves the machine idle: nobody waits for it long.
func TestBulkWorkDoesNotWaitForASlowProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		y.fleets = func() ([]string, error) { return []string{"tenant:provision:slow:1"}, nil }
		defer y.setup("tenant:provision:slow:1")()
		if waited := y.waits(t); waited < yieldMost/2 || waited > yieldMost+yieldStep {
			t.Errorf("it waited %s for a setup that has just begun, want from %s to %s", waited, yieldMost/2, yieldMost)
		}
		time.Sleep(yieldPatience)

		if waited := y.waits(t); waited > y.linger {
			t.Errorf("it waited %s for a setup that has taken %s", waited, yieldPatience)
		}
	})
}

func TestBulkWorkDoesNotWaitForAnUnreadableRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		y.fleets = func() ([]string, error) { return []string{"tenant:provision:elsewhere:1"}, nil }
		time.AfterFunc(300*time.Millisecond, func() {
			y.mu.Lock()
			defer y.mu.Unlock()
			y.fleet = func(ctx context.Context) ([]string, error) {
				<-ctx.Done() // it hangs
				return nil, errors.Join(errors.New("redis does not answer"), ctx.Err())
			}
		})

		if waited, most := y.waits(t), 300*time.Millisecond+2*yieldLook+y.linger+2*yieldStep; waited > most {
			t.Errorf("it waited %s, want %s at most", waited, most)
		}
	})
}

func TestDrainEndsTheWaitAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		defer y.setup("tenant:provision:a:1")()
		drain := make(chan struct{})
		time.AfterFunc(300*time.Millisecond, func() { close(drain) })
		begun := time.Now()

		_, ok := y.enter(fault.WithDrain(t.Context(), drain))

		if waited := time.Since(begun); ok || waited > 300*time.Millisecond+2*yieldStep {
			t.Errorf("let in: %v after %s, want turned away at once when the process drains", ok, waited)
		}
	})
}

// What is in hand when a merchant comes steps aside too, between its steps: none of
// it goes on until the merchant is ready.
func TestBulkWorkInHandStepsAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		var before, after atomic.Int32
		for range 12 {
			inside, _ := y.enters(t)
			go func() {
				time.Sleep(100 * time.Millisecond) // the call
				before.Add(1)
				StepAside(inside)
				after.Add(1)
			}()
		}
		end := y.setup("tenant:provision:a:1")
		time.Sleep(yieldMost / 2)
		if before.Load() != 12 || after.Load() != 0 {
			t.Errorf("%d of %d went on while a merchant was being set up, want none", after.Load(), before.Load())
		}

		end()
		time.Sleep(y.linger + yieldStep)
		if after.Load() != 12 {
			t.Errorf("%d of 12 went on when the merchant was ready", after.Load())
		}
	})
}

// Work in hand goes on though merchants keep coming, and not all of it together.
func TestBulkWorkInHandGoesOnWhenItHasWaitedLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		var after atomic.Int32
		for range 40 {
			inside, _ := y.enters(t)
			go func() {
				time.Sleep(100 * time.Millisecond)
				StepAside(inside)
				after.Add(1)
			}()
		}
		y.rush()

		time.Sleep(yieldMost * 3 / 4)
		if n := after.Load(); n == 0 || n == 40 {
			t.Errorf("%d of 40 went on after %s, want some", n, yieldMost*3/4)
		}
		time.Sleep(yieldMost/4 + 100*time.Millisecond + 2*yieldStep)
		if n := after.Load(); n != 40 {
			t.Errorf("%d of 40 went on after %s, want all", n, yieldMost)
		}
	})
}

// Work of many steps waits no longer in all than work of one, nor does work that
// has waited before it began.
func TestStepsWaitOnceInAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard()
		steps := func(inside context.Context) time.Duration {
			begun := time.Now()
			for range 60 {
				StepAside(inside)
			}
			return time.Since(begun)
		}
		early, _ := y.enters(t)
		time.Sleep(time.Second) // what was seen of nobody is forgotten
		y.rush()
		late, before := y.enters(t)

		if waited := steps(early); waited < yieldMost/2 || waited > yieldMost+yieldStep {
			t.Errorf("sixty steps waited %s, want from %s to %s", waited, yieldMost/2, yieldMost)
		}
		if waited := before + steps(late); waited > yieldMost+2*yieldStep {
			t.Errorf("it waited %s before and while it was done, want %s at most", waited, yieldMost)
		}
		if waited := steps(t.Context()); waited != 0 {
			t.Errorf("what is no bulk work waited %s", waited)
		}
	})
}
