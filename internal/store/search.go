package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/fault"
)

// search looks for one page of a list row by row, where no index has what is wanted.
type search struct {
	first    int           // rows of the first look, which tells how long one takes
	most     int           // rows in all
	patience time.Duration // about how long it goes on
}

// searchStop is when PostgreSQL ends a look; a smaller one follows.
const searchStop = 1500 * time.Millisecond

// run has look go through up to size further rows at a time, until the page is full,
// there are no more, or it has cost enough; once it does so however long it takes, or
// the next page would begin where this one did. look tells how many rows there were, and
// whether the page is full. whole: everything was looked at.
func (s search) run(ctx context.Context, look func(size int) (rows int, full bool, err error)) (whole bool, err error) {
	begun, size := time.Now(), s.first
	for looked := 0; looked == 0 || looked < s.most && time.Since(begun) < s.patience; {
		rows, full, err := look(size)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "57014" && ctx.Err() == nil {
			if size == 1 {
				return false, fault.New(fault.Unavailable, "the database is too slow to search at this moment")
			}
			size = max(size/8, 1)
			continue
		}
		if err != nil || full || rows < size {
			return rows < size, err
		}
		looked += rows
		spent := time.Since(begun)
		affordable := float64(looked) * float64(s.patience-spent) / float64(spent)
		size = max(min(size*2, s.most/4, s.most-looked, int(affordable)), 1)
	}
	return false, nil
}
