package worker

import (
	"context"
	"errors"
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

func newYard(workers int) *yard {
	y := &yard{registry: prometheus.NewRegistry(), fleets: func() ([]string, error) { return nil, nil }}
	y.yield = newYield(&Worker{
		Metrics: y.registry, Intervals: config.Intervals{TaskCheck: 200 * time.Millisecond, Unleased: 30 * time.Second},
	}, workers)
	y.fleet = func(context.Context) ([]string, error) {
		y.looks.Add(1)
		return y.fleets()
	}
	return y
}

// through is how long one piece of bulk work waited to be let in; it is over at once.
func (y *yard) through(t *testing.T, ctx context.Context) time.Duration {
	t.Helper()
	begun := time.Now()
	_, leave, ok := y.enter(ctx)
	if !ok {
		t.Fatal("it was turned away")
	}
	leave()
	return time.Since(begun)
}

// occupied takes what waits for nobody, so that what follows has to.
func (y *yard) occupied(t *testing.T) {
	t.Helper()
	for range y.free {
		if _, _, ok := y.enter(t.Context()); !ok {
			t.Fatal("it was turned away")
		}
	}
}

func TestBulkWorkWaitsForNobodyWhereNoneIsSetUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(12)
		for range 40 {
			begun := time.Now()
			if _, _, ok := y.enter(t.Context()); !ok || time.Since(begun) != 0 {
				t.Fatalf("let in: %v, after %s, want at once", ok, time.Since(begun))
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
		y := newYard(12)
		end := y.setup("tenant:provision:a:1")
		if waited := y.through(t, t.Context()); waited != 0 {
			t.Errorf("the first piece waited %s, want one that waits for nobody", waited)
		}
		y.occupied(t)
		begun := time.Now()
		time.AfterFunc(500*time.Millisecond, end)

		waited := y.through(t, t.Context())

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
		y := newYard(12)
		var over atomic.Bool
		y.fleets = func() ([]string, error) {
			if over.Load() {
				return nil, nil
			}
			return []string{"tenant:provision:elsewhere:1"}, nil
		}
		y.occupied(t)
		time.AfterFunc(500*time.Millisecond, func() { over.Store(true) })

		waited := y.through(t, t.Context())

		if most := 500*time.Millisecond + yieldLook + y.linger + 2*yieldStep; waited < 500*time.Millisecond || waited > most {
			t.Errorf("it waited %s, want from 500ms to %s", waited, most)
		}
	})
}

// From one task of a setup to the next nobody has it in hand for a moment.
func TestBulkWorkWaitsForTheNextTaskOfASetup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(12)
		y.occupied(t)
		end := y.setup("event:apply:a:1")
		time.AfterFunc(100*time.Millisecond, end)
		time.AfterFunc(300*time.Millisecond, func() {
			time.AfterFunc(500*time.Millisecond, y.setup("tenant:provision:a:1"))
		})

		if waited := y.through(t, t.Context()); waited < 800*time.Millisecond {
			t.Errorf("it waited %s, want until the second task is over", waited)
		}
	})
}

// However many merchants sign up, each piece of bulk work goes on after a while,
// and some of it at once.
func TestSignUpsNeverStopBulkWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const workers, pages, page = 12, 400, 100 * time.Millisecond
		y := newYard(workers)
		y.fleets = func() ([]string, error) { // always somebody new
			return []string{"tenant:provision:" + time.Now().String() + ":1"}, nil
		}
		var done atomic.Int32
		begun, longest := time.Now(), time.Duration(0)
		turns := make(chan struct{}, pages)
		for range pages {
			turns <- struct{}{}
		}
		close(turns)
		over := make(chan time.Duration, workers)
		for range workers {
			go func() {
				var longest time.Duration
				for range turns {
					asked := time.Now()
					_, leave, ok := y.enter(t.Context())
					if !ok {
						break
					}
					longest = max(longest, time.Since(asked))
					time.Sleep(page)
					leave()
					done.Add(1)
				}
				over <- longest
			}()
		}
		for range workers {
			longest = max(longest, <-over)
		}
		took := time.Since(begun)

		if longest > yieldMost+yieldStep {
			t.Errorf("the longest wait was %s, want %s at most", longest, yieldMost)
		}
		// One worker's worth of pages is done as ever, and some more.
		if slowest := pages*(page+yieldStep) + yieldMost; done.Load() != pages || took > slowest {
			t.Errorf("%d of %d pages took %s, want all within %s", done.Load(), pages, took, slowest)
		}
	})
}

// A setup that waits for a provider leaves the machine idle: nobody waits for it long.
func TestBulkWorkDoesNotWaitForASlowProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(12)
		y.fleets = func() ([]string, error) { return []string{"tenant:provision:slow:1"}, nil }
		defer y.setup("tenant:provision:slow:1")()
		y.occupied(t)
		if waited := y.through(t, t.Context()); waited < yieldMost/2 || waited > yieldMost+yieldStep {
			t.Errorf("it waited %s for a setup that has just begun, want from %s to %s", waited, yieldMost/2, yieldMost)
		}
		time.Sleep(yieldPatience)

		if waited := y.through(t, t.Context()); waited > y.linger {
			t.Errorf("it waited %s for a setup that has taken %s", waited, yieldPatience)
		}
	})
}

func TestBulkWorkDoesNotWaitForAnUnreadableRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(12)
		y.fleets = func() ([]string, error) { return []string{"tenant:provision:elsewhere:1"}, nil }
		y.occupied(t)
		time.AfterFunc(300*time.Millisecond, func() {
			y.mu.Lock()
			defer y.mu.Unlock()
			y.fleet = func(ctx context.Context) ([]string, error) {
				<-ctx.Done() // it hangs
				return nil, errors.Join(errors.New("redis does not answer"), ctx.Err())
			}
		})

		if waited, most := y.through(t, t.Context()), 300*time.Millisecond+2*yieldLook+y.linger+2*yieldStep; waited > most {
			t.Errorf("it waited %s, want %s at most", waited, most)
		}
	})
}

func TestDrainEndsTheWaitAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(12)
		defer y.setup("tenant:provision:a:1")()
		y.occupied(t)
		drain := make(chan struct{})
		time.AfterFunc(300*time.Millisecond, func() { close(drain) })
		begun := time.Now()

		_, _, ok := y.enter(fault.WithDrain(t.Context(), drain))

		if waited := time.Since(begun); ok || waited > 300*time.Millisecond+2*yieldStep {
			t.Errorf("let in: %v after %s, want turned away at once when the process drains", ok, waited)
		}
	})
}

// What is in hand when a merchant comes steps aside too, between its steps, and one
// piece of it goes on.
func TestBulkWorkInHandStepsAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(12)
		var before, after atomic.Int32
		for range 12 {
			inside, leave, ok := y.enter(t.Context())
			if !ok {
				t.Fatal("it was turned away")
			}
			go func() {
				defer leave()
				time.Sleep(100 * time.Millisecond) // the call
				before.Add(1)
				StepAside(inside)
				after.Add(1)
				time.Sleep(time.Second) // the landing
			}()
		}
		end := y.setup("tenant:provision:a:1")
		time.Sleep(600 * time.Millisecond)
		if before.Load() != 12 || after.Load() != 1 {
			t.Errorf("%d of %d went on while a merchant was being set up, want one", after.Load(), before.Load())
		}

		end()
		time.Sleep(y.linger + yieldStep)
		if after.Load() != 12 {
			t.Errorf("%d of 12 went on when the merchant was ready", after.Load())
		}
		time.Sleep(2 * time.Second)
		y.mu.Lock()
		defer y.mu.Unlock()
		if y.bulk != 0 {
			t.Errorf("%d pieces of work are counted when all are over", y.bulk)
		}
	})
}

// Work of many steps waits no longer in all than work of one.
func TestStepsWaitOnceInAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		y := newYard(12)
		y.fleets = func() ([]string, error) { // always somebody new
			return []string{"tenant:provision:" + time.Now().String() + ":1"}, nil
		}
		y.occupied(t)
		inside, leave, ok := y.enter(t.Context())
		if !ok {
			t.Fatal("it was turned away")
		}
		defer leave()
		begun := time.Now()

		for range 60 {
			StepAside(inside)
		}

		if waited := time.Since(begun); waited < yieldMost || waited > yieldMost+2*yieldStep {
			t.Errorf("sixty steps waited %s, want %s", waited, yieldMost)
		}
		StepAside(t.Context()) // outside of bulk work nothing waits
		if again := time.Since(begun); again > yieldMost+2*yieldStep {
			t.Errorf("other work waited too: %s", again-yieldMost)
		}
	})
}
