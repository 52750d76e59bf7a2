package worker

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

func TestNoMorePagesLandAtATimeThanThereArePlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const places, pages, page = 2, 20, 50 * time.Millisecond
		l := newLandings(places, nil)
		var mu sync.Mutex
		now, most := 0, 0
		var group sync.WaitGroup
		begun := time.Now()
		for range pages {
			group.Go(func() {
				release, err := l.Take(t.Context(), uuid.New())
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
		wantFree(t, l, places)
	})
}

func wantFree(t *testing.T, l *Landings, want int) {
	t.Helper()
	if l.free != want || len(l.waiting) > 0 {
		t.Errorf("%d places are free and %d pages wait, want %d and none", l.free, len(l.waiting), want)
	}
}

func TestPagesThatAreOverTakeNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLandings(1, nil)
		over, cancel := context.WithCancel(t.Context())
		release, err := l.Take(over, uuid.New())
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond, cancel)
		begun := time.Now()

		if _, err := l.Take(over, uuid.New()); !errors.Is(err, context.Canceled) || time.Since(begun) != 300*time.Millisecond {
			t.Errorf("it ended after %s with %v, want that it is canceled at once", time.Since(begun), err)
		}
		release()
		if _, err := l.Take(over, uuid.New()); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it is canceled", err)
		}
		wantFree(t, l, 1)
	})
}

func TestPlacesAreAsManyAsProcessors(t *testing.T) {
	t.Parallel()
	if places := NewLandings(nil).free; places != runtime.GOMAXPROCS(0) {
		t.Errorf("%d places, want %d", places, runtime.GOMAXPROCS(0))
	}
}

func TestALandingThatIsStuckHoldsUpOneSecondOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLandings(1, nil)
		stuck, err := l.Take(t.Context(), uuid.New())
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()

		release, err := l.Take(t.Context(), uuid.New())
		if took := time.Since(begun); err != nil || took < landingLong || took > landingLong {
			t.Fatalf("the next page had its place after %s (%v), want %s", took, err, landingLong)
		}
		stuck() // it has no place anymore: the next one keeps its own
		wantFree(t, l, 0)
		release()
		release()
		wantFree(t, l, 1)
	})
}

// Whoever has more pages on the way gets no more places for it, and whoever was away for
// a while catches up, by some pages.
func TestPlacesGoToWhoHadFewest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const page = 10 * time.Millisecond
		l := newLandings(2, nil)
		ctx, cancel := context.WithCancel(t.Context())
		many, few, late := uuid.New(), uuid.New(), uuid.New()
		var mu sync.Mutex
		landed := map[uuid.UUID]int{}
		lands := func(merchant uuid.UUID) {
			for {
				release, err := l.Take(ctx, merchant)
				if err != nil {
					return
				}
				time.Sleep(page)
				mu.Lock()
				landed[merchant]++
				mu.Unlock()
				release()
			}
		}
		var group sync.WaitGroup
		counted := func(pages int) map[uuid.UUID]int { // what is landed while so many are
			mu.Lock()
			before := maps.Clone(landed)
			mu.Unlock()
			time.Sleep(time.Duration(pages) * page / 2)
			mu.Lock()
			defer mu.Unlock()
			now := maps.Clone(landed)
			for merchant, n := range before {
				now[merchant] -= n
			}
			return now
		}
		for range 10 {
			group.Go(func() { lands(many) })
		}
		for range 2 {
			group.Go(func() { lands(few) })
		}
		if n := counted(100); n[many] > 52 || n[few] < 48 {
			t.Errorf("of 100 pages %d were of the one with ten on the way, %d of the one with two; want them alike", n[many], n[few])
		}

		for range 2 {
			group.Go(func() { lands(late) })
		}
		if n := counted(2*landingCredit + 8); n[late] < landingCredit {
			t.Errorf("who comes late has %d pages at first, want %d and more", n[late], landingCredit)
		}
		if n := counted(150); n[late] < 48 || n[late] > 52+landingCredit || n[many] > 52 || n[few] > 52 {
			t.Errorf("of 150 pages the merchants had %v, want a third each, but for what was to catch up", slices.Collect(maps.Values(n)))
		}
		cancel()
		group.Wait()
		wantFree(t, l, 2)
	})
}

// A page that would step aside now leaves its place to others, and comes again.
func TestAPageThatStepsAsideHoldsNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLandings(1, nil)
		y := &yield{
			fleet: func(context.Context) ([]string, error) { return nil, nil }, most: yieldMost, linger: time.Millisecond,
			spent: prometheus.NewCounter(prometheus.CounterOpts{}), here: map[string]time.Time{}, there: map[string]time.Time{},
		}
		polite, ok := y.enter(t.Context())
		if !ok {
			t.Fatal("the page may not begin")
		}
		first, err := l.Take(t.Context(), uuid.New())
		if err != nil {
			t.Fatal(err)
		}
		tookAt := make(chan time.Duration, 1)
		begun := time.Now()
		var group sync.WaitGroup
		group.Go(func() {
			release, err := l.Take(polite, uuid.New())
			if err != nil {
				t.Errorf("take a place: %v", err)
				return
			}
			tookAt <- time.Since(begun)
			release()
		})
		synctest.Wait()

		ready := y.setup("a merchant's")
		first()
		synctest.Wait()
		wantFree(t, l, 1)
		time.Sleep(300 * time.Millisecond)
		ready()
		group.Wait()
		if took := <-tookAt; took < 300*time.Millisecond || took > 400*time.Millisecond {
			t.Errorf("it had its place after %s, want it when the merchant is ready, after 300ms", took)
		}
		wantFree(t, l, 1)
	})
}

// Without Redis each process gives its places by its own count.
func TestPlacesAreGivenWithoutRedis(t *testing.T) {
	t.Parallel()
	gone := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = gone.Close() })
	l := newLandings(1, &shares{rdb: gone, key: "landings"})
	first, second := uuid.New(), uuid.New()
	for _, merchant := range []uuid.UUID{first, first, second} {
		release, err := l.Take(t.Context(), merchant)
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	if l.of(first)-l.of(second) != 1 {
		t.Errorf("the merchants had %d and %d places, want one more for the first", l.of(first), l.of(second))
	}
	wantFree(t, l, 1)
}
