package web

import (
	"context"
	"errors"
	"testing"

	"github.com/wosool/wosool/internal/store"
)

// Any number of readers cost one summary of failed work, until an operator changes it.
func TestLanesShareTheFailedWork(t *testing.T) {
	t.Parallel()
	var w failedWork
	looks := make(chan struct{}, 100)
	look := func(ctx context.Context) (store.DeadSummary, error) {
		looks <- struct{}{}
		return store.DeadSummary{Total: len(looks)}, ctx.Err()
	}
	down := errors.New("PostgreSQL does not answer")
	if _, err := w.get(t.Context(), func(context.Context) (store.DeadSummary, error) { return store.DeadSummary{}, down }); !errors.Is(err, down) {
		t.Fatalf("a look that failed: %v", err)
	}
	done := make(chan error)
	for range 20 {
		go func() {
			_, err := w.get(t.Context(), look)
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if len(looks) != 1 {
		t.Errorf("%d looks, want 1", len(looks))
	}
	w.forget()
	if dead, err := w.get(t.Context(), look); err != nil || dead.Total != 2 {
		t.Errorf("after a change: %+v, %v, want a new look", dead, err)
	}
}
