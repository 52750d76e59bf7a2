package circuit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wosool/wosool/internal/fault"
)

// pingTimeout bounds a ping: what answers at all answers sooner.
const pingTimeout = 10 * time.Second

// asked pings for a call that holds the probes made: where the answer is good the
// call may be made and decides, with all of a probe's time before it.
func (l *Line) asked(ctx context.Context, made claims) (claims, error) {
	asking, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := l.ping(asking)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", fault.Unavailable, err)
	}
	if judge(ctx, err).is == answered {
		return l.renewed(ctx, made)
	}
	err = l.leave(ctx, made, err)
	if outage, ok := err.(*Outage); ok { //nolint:errorlint // leave wraps nothing
		return nil, &Outage{Wait: outage.Wait, Ours: outage.Ours} // the call itself was not made
	}
	return nil, err
}

// renewed claims the probes made anew, for the whole time of a probe. Those of
// circuits that have closed meanwhile are left out.
func (l *Line) renewed(ctx context.Context, made claims) (claims, error) {
	var still claims
	for name, holder := range made {
		switch now, err := l.circuits.claim(ctx, name, holder); {
		case err != nil:
			return nil, err
		case now != nil:
			if still == nil {
				still = claims{}
			}
			still[name] = holder
		}
	}
	return still, nil
}

// Tend pings where the circuit is open and the next probe is due: nobody may need
// the other side for days. A good answer leaves the circuit half open, so that it
// counts as broken no longer and the next call decides.
func (l *Line) Tend(ctx context.Context) error {
	if l == nil || l.ping == nil {
		return nil
	}
	due := false
	for _, b := range l.breakers {
		s, ok := l.circuits.look(ctx, b.name)
		due = due || ok && s.open() && !s.HalfOpen && !s.shut(time.Now())
	}
	if !due {
		return nil
	}
	made, err := l.enter(ctx)
	for name, holder := range made {
		if err := l.circuits.book.CircuitHalfOpen(ctx, name, holder); err != nil {
			return err
		}
		l.circuits.log.InfoContext(ctx, "circuit is half open", "circuit", name)
	}
	if Is(err) {
		return nil // it was refused, or the answer was bad and is written
	}
	return err
}

// kept are the probes that were claimed for a call which is still being prepared.
type kept struct {
	mu    sync.Mutex
	made  claims
	until time.Time
}

func (k *kept) put(made claims, until time.Time) {
	if len(made) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made, k.until = made, until
}

// take gives them to one call, if they are still good.
func (k *kept) take(now time.Time) claims {
	k.mu.Lock()
	defer k.mu.Unlock()
	made := k.made
	k.made = nil
	if k.until.Before(now) {
		return nil
	}
	return made
}
