package circuit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
)

// A server that answers a ping and fails every grant gets one grant a probe from the
// whole fleet, after pauses that double.
func TestFaultGoodPingLetsOneRefreshThrough(t *testing.T) {
	t.Parallel()
	const pause = 100 * time.Millisecond
	_, all := fleet(t, settings(pause, time.Minute), 4)
	_ = all[0].Accounts(nil).Guard(t.Context(), fails)
	var lost, running, most atomic.Int32
	var group sync.WaitGroup
	end := time.Now().Add(2500 * time.Millisecond)
	for i := range 40 {
		line := all[i%4].Accounts(answers)
		group.Go(func() {
			for sent := false; !sent && time.Now().Before(end); {
				if line.Ready(t.Context()) != nil {
					<-time.After(20 * time.Millisecond)
					continue
				}
				_ = line.Guard(t.Context(), func(context.Context) error {
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					<-time.After(50 * time.Millisecond)
					lost.Add(1)
					sent = true
					return down{}
				})
			}
		})
	}
	group.Wait()
	// Probes are due 0.1, 0.3, 0.7, 1.5 and 3.1 s after it opened.
	if n := lost.Load(); n == 0 || n > 5 || most.Load() != 1 {
		t.Errorf("%d grants were used, %d at a time; want one a probe", n, most.Load())
	}
}

// The answer of that one call closes the circuit, and everybody calls again.
func TestFaultRefreshThatIsAnsweredCloses(t *testing.T) {
	t.Parallel()
	_, all := fleet(t, settings(100*time.Millisecond, time.Second), 2)
	line, other := all[0].Accounts(answers), all[1].Accounts(answers)
	_ = line.Guard(t.Context(), fails)
	dbtest.Eventually(t, 5*time.Second, "one is let through", func() bool { return line.Ready(t.Context()) == nil })
	for range 3 {
		if err := other.Ready(t.Context()); err == nil {
			t.Fatal("a second one is let through before the first has its answer")
		}
	}
	if err := line.Guard(t.Context(), answers); err != nil {
		t.Fatalf("the one that was let through: %v", err)
	}
	dbtest.Eventually(t, 5*time.Second, "everybody calls again", func() bool { return other.Guard(t.Context(), answers) == nil })
}

// The OAuth server that nobody needs is pinged: it counts as broken only for as long
// as it is, and the next refresh decides.
func TestFaultOAuthThatNobodyNeedsIsTended(t *testing.T) {
	t.Parallel()
	db, all := fleet(t, settings(50*time.Millisecond, 100*time.Millisecond), 2)
	var up atomic.Bool
	line := all[0].Accounts(func(ctx context.Context) error {
		if up.Load() {
			return nil
		}
		return down{}
	})
	broken := func() bool {
		t.Helper()
		open, err := db.OpenCircuits(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(open) > 0
	}
	_ = line.Guard(t.Context(), fails)
	dbtest.Eventually(t, 5*time.Second, "it is pinged in vain", func() bool {
		if err := line.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := db.Circuits(t.Context())
		return err == nil && len(list) == 1 && list[0].Probes >= 2
	})
	if !broken() {
		t.Error("it is not shown as broken")
	}
	up.Store(true)
	dbtest.Eventually(t, 5*time.Second, "it counts as broken no longer", func() bool { return line.Tend(t.Context()) == nil && !broken() })

	other := all[1].Accounts(answers)
	dbtest.Eventually(t, 5*time.Second, "one refresh is let through", func() bool { return other.Ready(t.Context()) == nil })
	if err := line.Ready(t.Context()); err == nil {
		t.Error("a second refresh is let through before the first has its answer")
	}
	_ = other.Guard(t.Context(), fails)
	if !broken() {
		t.Error("after a refresh that failed it is not shown as broken")
	}
}
