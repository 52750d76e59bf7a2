package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestNoMorePagesLandAtATimeThanThereArePlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const places, pages, page = 2, 20, 50 * time.Millisecond
		l := make(landings, places)
		var mu sync.Mutex
		now, most := 0, 0
		var group sync.WaitGroup
		begun := time.Now()
		for range pages {
			group.Go(func() {
				release, err := l.take(t.Context())
				if err != nil {
					t.Errorf("take a place: %v", err)
					return
				}
				defer release()
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				time.Sleep(page)
				mu.Lock()
				now--
				mu.Unlock()
			})
		}
		group.Wait()

		if most != places {
			t.Errorf("%d pages landed at a time, want %d", most, places)
		}
		if took := time.Since(begun); took != pages/places*page {
			t.Errorf("they took %s, want %s: a place that is free is taken at once", took, pages/places*page)
		}
		if len(l) != 0 {
			t.Errorf("%d places are held when all are over", len(l))
		}
	})
}

func TestPagesThatAreOverTakeNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := make(landings, 1)
		over, cancel := context.WithCancel(t.Context())
		release, err := l.take(over)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond, cancel)
		begun := time.Now()

		if _, err := l.take(over); !errors.Is(err, context.Canceled) || time.Since(begun) != 300*time.Millisecond {
			t.Errorf("it ended after %s with %v, want that it is canceled at once", time.Since(begun), err)
		}
		release()
		if _, err := l.take(over); !errors.Is(err, context.Canceled) || len(l) != 0 {
			t.Errorf("%d places are held, and %v, want none and that it is canceled", len(l), err)
		}
	})
}

func TestPlacesAreAsManyAsProcessors(t *testing.T) {
	t.Parallel()
	if places := cap(newLandings()); places != runtime.GOMAXPROCS(0) {
		t.Errorf("%d places, want %d", places, runtime.GOMAXPROCS(0))
	}
}

func TestALandingThatIsStuckHoldsUpOneSecondOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := make(landings, 1)
		stuck, err := l.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()

		release, err := l.take(t.Context())
		if took := time.Since(begun); err != nil || took < landingLong || took > landingLong+landingLook {
			t.Fatalf("the next page had its place after %s (%v), want %s", took, err, landingLong)
		}
		stuck() // it has no place anymore: the next one keeps its own
		if len(l) != 1 {
			t.Errorf("%d places are held, want the next page's", len(l))
		}
		release()
		release()
		if len(l) != 0 {
			t.Errorf("%d places are held when all are over", len(l))
		}
	})
}
