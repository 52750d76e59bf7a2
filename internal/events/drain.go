package events

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/store"
)

// How long the drainer rests: while all is well, and at most after failures.
const (
	drainEvery   = 2 * time.Second
	drainAtMost  = 10 * time.Second
	halfWritten  = time.Hour // the age at which a file that nobody finished is litter
	drainPingFor = 2 * time.Second
)

// Drain commits what the spool holds, oldest first, as soon as PostgreSQL answers,
// until ctx ends. ring is told the tasks of what was committed. Any number of
// processes may drain one folder: a delivery is one event however often it is recorded.
func (in *Inbox) Drain(ctx context.Context, ring func(ctx context.Context, tasks []store.Task)) {
	if in.Spool == nil {
		return
	}
	if n := in.Spool.State().Bad; n > 0 {
		in.Spool.log.ErrorContext(ctx, "spooled deliveries are set aside", "files", n)
	}
	pause := drainEvery
	for {
		if in.drain(ctx, ring) {
			pause = drainEvery
		} else {
			pause = min(2*pause, drainAtMost)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// drain is one round; false: something is left to be tried again.
func (in *Inbox) drain(ctx context.Context, ring func(context.Context, []store.Task)) bool {
	s := in.Spool
	s.sweep()
	s.takeBack(ctx)
	names, err := s.list(spoolWaits)
	if err != nil {
		s.log.ErrorContext(ctx, "the spool cannot be read", "error", err)
		return false
	}
	done := true
	for _, name := range names {
		if ctx.Err() != nil {
			return false
		}
		d, err := s.open(name, spoolWaits)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case errors.Is(err, errDamaged):
			s.log.ErrorContext(ctx, "a spooled delivery does not open: it is set aside", "file", name+spoolBad, "error", err)
			if err := s.move(name, spoolWaits, spoolBad); err != nil && !errors.Is(err, os.ErrNotExist) {
				s.log.ErrorContext(ctx, "a spooled delivery cannot be set aside", "file", name, "error", err)
				done = false
			}
			continue
		case err != nil:
			s.log.ErrorContext(ctx, "a spooled delivery cannot be read", "file", name, "error", err)
			done = false
			continue
		}
		rec, err := in.Record(ctx, d)
		if err != nil {
			if !in.answers(ctx) {
				return false // the others would not be taken either
			}
			s.log.ErrorContext(ctx, "a spooled delivery is not committed though PostgreSQL answers", "file", name, "error", err)
			done = false
			continue
		}
		if err := os.Remove(filepath.Join(s.folder, name+spoolWaits)); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.ErrorContext(ctx, "a spooled delivery that was committed cannot be removed", "file", name, "error", err)
			done = false
		}
		s.log.InfoContext(ctx, "a spooled delivery was committed", "file", name, "event_id", rec.EventID, "duplicate", rec.Duplicate)
		ring(ctx, rec.Tasks)
	}
	return done
}

// answers tells whether PostgreSQL does.
func (in *Inbox) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, drainPingFor)
	defer cancel()
	return in.DB.Ping(ctx) == nil
}

// takeBack looks at what was set aside: this process may have the key that another
// lacked.
func (s *Spool) takeBack(ctx context.Context) {
	names, err := s.list(spoolBad)
	if err != nil {
		return // the round says it
	}
	for _, name := range names {
		if _, err := s.open(name, spoolBad); err != nil {
			continue // it was told when it was set aside
		}
		if err := s.move(name, spoolBad, spoolWaits); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.ErrorContext(ctx, "a spooled delivery that opens again cannot be taken back", "file", name+spoolBad, "error", err)
		}
	}
}

// sweep removes what processes that died were writing.
func (s *Spool) sweep() {
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return // the round says it
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), spoolHalf) && time.Since(info.ModTime()) > halfWritten {
			_ = os.Remove(filepath.Join(s.folder, e.Name())) // else in the next round
		}
	}
}
