package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/fault"
)

// A search looks at as much as it may in all, or as its patience lets it; it tells
// where it has looked at everything, and stops when its page is full.
func TestSearchStops(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		there, fullAt int
		patience      time.Duration
		whole         bool
		most          int // rows that may have been looked at
	}{
		"at the end":               {there: 350, patience: time.Minute, whole: true, most: 350},
		"at the end of a look":     {there: 300, patience: time.Minute, whole: true, most: 300},
		"where nothing is":         {patience: time.Minute, whole: true},
		"when the page is full":    {there: 10_000, fullAt: 250, patience: time.Minute, most: 700},
		"when it has seen so much": {there: 10_000, patience: time.Minute, most: 1000},
		"when it takes too long":   {there: 10_000, patience: time.Nanosecond, most: 100},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			looked := 0
			whole, err := search{first: 100, most: 1000, patience: tt.patience}.run(t.Context(), func(size int) (int, bool, error) {
				if size < 1 {
					t.Fatalf("a look at %d rows", size)
				}
				rows := min(size, tt.there-looked)
				looked += rows
				return rows, tt.fullAt > 0 && looked >= tt.fullAt, nil
			})
			if err != nil || whole != tt.whole || looked > tt.most || looked < min(tt.there, 100) {
				t.Errorf("looked at %d of %d, whole %t, %v", looked, tt.there, whole, err)
			}
		})
	}
}

// A look that PostgreSQL ends is made smaller until one succeeds, however short the
// patience is: a page that has looked at nothing would lead to itself. Where not even
// one row can be looked at, it says so.
func TestSearchLooksAtLess(t *testing.T) {
	t.Parallel()
	ended := fmt.Errorf("look: %w", &pgconn.PgError{Code: "57014"})
	var sizes []int
	s := search{first: 500, most: 1000, patience: time.Nanosecond}
	whole, err := s.run(t.Context(), func(size int) (int, bool, error) {
		sizes = append(sizes, size)
		if size > 10 {
			return 0, false, ended
		}
		return size, false, nil
	})
	if err != nil || whole || fmt.Sprint(sizes) != "[500 62 7]" {
		t.Errorf("looked at %v, whole %t, %v", sizes, whole, err)
	}
	if _, err := s.run(t.Context(), func(int) (int, bool, error) { return 0, false, ended }); !errors.Is(err, fault.Unavailable) {
		t.Errorf("where nothing can be looked at: %v", err)
	}
	broken := errors.New("no connection")
	if _, err := s.run(t.Context(), func(int) (int, bool, error) { return 0, false, broken }); !errors.Is(err, broken) {
		t.Errorf("another failure: %v", err)
	}
}
