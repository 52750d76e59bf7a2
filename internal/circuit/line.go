package circuit

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/store"
)

// Ready returns nil where a call may be made now, or else the *Outage that Guard
// would return: for those who have to prepare a call that must not be prepared in
// vain. Of two that are told so at once only one may be let through then.
func (l *Line) Ready(ctx context.Context) error {
	if l == nil {
		return nil
	}
	if l.ping == nil {
		return l.refused(ctx)
	}
	made, err := l.enter(ctx)
	l.kept.put(made, time.Now().Add(l.circuits.settings.Probe))
	return err
}

// Guard makes the call, or returns an *Outage that says until when it waits. What
// the call returns is judged: a failure of the other side comes back as an *Outage,
// everything else as it is. Where the call found out that it should not be made, a
// *fault.Wait, nothing is learned.
func (l *Line) Guard(ctx context.Context, call func(ctx context.Context) error) error {
	if l == nil || !protect.Circuit {
		return call(ctx)
	}
	made, err := l.renewed(ctx, l.kept.take(time.Now()))
	if err == nil && made == nil {
		made, err = l.enter(ctx)
	}
	if err != nil {
		return err
	}
	return l.leave(ctx, made, call(ctx))
}

// claims are the probes that a call makes: the holder, by the circuit's name.
type claims map[string]uuid.UUID

// refused tells whether a circuit that is known to be open lets nobody through.
func (l *Line) refused(ctx context.Context) error {
	c := l.circuits
	for i := len(l.breakers) - 1; i >= 0; i-- { // what is wider tells more
		if s, ok := c.look(ctx, l.breakers[i].name); ok && s.shut(time.Now()) {
			return c.refusal(s)
		}
	}
	return nil
}

// enter lets a call through, as the probe of those circuits that are open and due.
func (l *Line) enter(ctx context.Context) (claims, error) {
	if err := l.refused(ctx); err != nil {
		return nil, err
	}
	var made claims
	for _, b := range l.breakers {
		s, ok := l.circuits.look(ctx, b.name)
		if !ok || !s.open() {
			continue
		}
		holder := uuid.New()
		now, err := l.circuits.claim(ctx, b.name, holder)
		if err == nil && now == nil {
			continue // it has closed meanwhile
		}
		if err != nil {
			l.giveBack(ctx, made)
			return nil, err
		}
		if made == nil {
			made = claims{}
		}
		made[b.name] = holder
	}
	if len(made) == 0 || l.ping == nil {
		return made, nil
	}
	return l.asked(ctx, made)
}

// leave judges what a call returned and writes it to the circuits.
func (l *Line) leave(ctx context.Context, made claims, err error) error {
	c, verdict := l.circuits, judge(ctx, err)
	wctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if verdict.is == failed {
		return l.outage(verdict, l.failed(wctx, made, verdict), err)
	}
	for _, b := range l.breakers {
		holder, probes := made[b.name]
		switch {
		case verdict.is == answered:
			c.answered(wctx, b.name, holder, probes)
		case probes:
			c.giveBack(wctx, b.name, holder, 0)
		}
	}
	return err
}

// failed writes a failure to the circuits; it returns the widest that is open.
func (l *Line) failed(ctx context.Context, made claims, v verdict) (open *state) {
	c := l.circuits
	last := len(l.breakers) - 1
	_, all := made[l.breakers[last].name]
	broken := false // the store's own circuit was open before: its failure says nothing about the others
	for i, b := range l.breakers {
		holder, probes := made[b.name]
		var now *state
		switch {
		case i < last && all && !probes: // what everybody meets is nobody's own
		case i > 0 && broken && probes: // others try soon
			c.giveBack(ctx, b.name, holder, c.settings.Pause)
		case i > 0 && broken:
			now = c.spread(ctx, b, l.breakers[0].name, v)
		default:
			var opened bool
			now, opened = c.failed(ctx, b, l.from, holder, probes, v)
			broken = i < last && now != nil && now.open() && !opened
		}
		if now != nil && now.open() {
			open = now
		}
	}
	return open
}

// outage is what the work is told whose call has failed with err.
func (l *Line) outage(v verdict, open *state, err error) *Outage {
	outage := &Outage{Err: err, Ours: l.breakers[0].kind == store.CircuitDatabase}
	if open != nil {
		outage.Wait = l.circuits.refusal(*open).Wait
	}
	after := min(v.after, l.circuits.settings.MaxRetryAfter)
	if until := time.Now().Add(after + jitter(after/10)); after > 0 && (open == nil || outage.Wait.Until.Before(until)) {
		outage.Wait = &fault.Wait{
			Until: until,
			For:   said(l.breakers[len(l.breakers)-1].name) + ", which asked to be left alone for a while (" + v.why + ")",
		}
	}
	return outage
}

func (l *Line) giveBack(ctx context.Context, made claims) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	for name, holder := range made {
		l.circuits.giveBack(ctx, name, holder, 0)
	}
}

// refusal is what work is told that meets an open circuit. Its time is spread, so
// that not everybody comes back at once.
func (c *Circuits) refusal(s state) *Outage {
	now := time.Now()
	until := s.retryAt.Add(jitter(c.pause(s.Probes) / 4))
	if !s.retryAt.After(now) { // it is being probed
		until = now.Add(c.settings.Pause/2 + jitter(c.settings.Pause))
	}
	return &Outage{Wait: &fault.Wait{Until: until, For: words(s, now)}, Ours: s.Kind == store.CircuitDatabase}
}

// pause is how long after so many failed probes the next is made.
func (c *Circuits) pause(probes int) time.Duration {
	d := c.settings.Pause
	for range min(probes, 20) {
		d = min(2*d, c.settings.MaxPause)
	}
	return d
}

// jitter is some part of most, by chance.
func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(rand.Int64N(int64(most))) //nolint:gosec // a spread, not a secret
}

// failed writes a failure; it returns how the circuit stands, nil where that is
// not known, and whether it opened now.
func (c *Circuits) failed(
	ctx context.Context, b breaker, from *int64, holder uuid.UUID, probes bool, v verdict,
) (now *state, opened bool) {
	after := min(v.after, c.settings.MaxRetryAfter)
	if b.origins > 0 { // what one store is asked for is no pause of all
		after = 0
	}
	if probes {
		now, err := c.book.CircuitProbeFailed(ctx, b.name, holder, v.why, c.settings.Pause, c.settings.MaxPause, after)
		if err != nil {
			c.log.WarnContext(ctx, "the outcome of a probe could not be written", "circuit", b.name, "error", err)
			return nil, false
		}
		c.log.InfoContext(ctx, "circuit stays open", "circuit", b.name, "reason", v.why, "probes", now.Probes, "retry_at", now.RetryAt)
		return c.learn(now), false
	}
	counted, opened, err := c.book.CircuitFailed(ctx, store.CircuitFailure{
		Name: b.name, Kind: b.kind, Merchant: b.merchant, From: from, Reason: v.why,
		Failures: b.failures, Origins: b.origins, Forget: forget * c.settings.MaxPause, Pause: max(c.settings.Pause, after),
	})
	if err != nil {
		c.log.WarnContext(ctx, "a failure could not be counted", "circuit", b.name, "error", err)
		return nil, false
	}
	if opened {
		c.opened(ctx, counted)
	}
	return c.learn(counted), opened
}

// spread opens a provider's circuit where what one store meets seems to be the
// provider's: its own circuit was probed in vain, and nobody's call has succeeded
// since it opened. It returns nil where it did not.
func (c *Circuits) spread(ctx context.Context, b breaker, own string, v verdict) *state {
	now, opened, err := c.book.CircuitSpread(ctx, store.CircuitFailure{
		Name: b.name, Kind: b.kind, Reason: v.why, Pause: c.settings.Pause,
	}, own)
	if err != nil {
		c.log.WarnContext(ctx, "a failure could not be counted", "circuit", b.name, "error", err)
		return nil
	}
	if !opened {
		return nil
	}
	c.opened(ctx, now)
	return c.learn(now)
}

func (c *Circuits) opened(ctx context.Context, now store.Circuit) {
	c.openings.WithLabelValues(now.Kind).Inc()
	c.log.WarnContext(ctx, "circuit opened", "circuit", now.Name, "reason", now.Reason, "failures", now.Failures, "retry_at", now.RetryAt)
}

// forget is after how many longest pauses a failure is not in a row with the next.
const forget = 5

// answered writes that the other side is there.
func (c *Circuits) answered(ctx context.Context, name string, holder uuid.UUID, probes bool) {
	if probes {
		closed, err := c.book.CircuitClosed(ctx, name, holder)
		if err != nil {
			c.log.WarnContext(ctx, "the outcome of a probe could not be written", "circuit", name, "error", err)
			return
		}
		if closed {
			c.log.InfoContext(ctx, "circuit closed", "circuit", name)
		}
		c.forget(name)
		return
	}
	s, ok := c.known.get(name)
	if !ok || s.open() {
		return // in order as far as anybody knows; or a late answer: only probes close
	}
	if err := c.book.CircuitAnswered(ctx, name); err != nil {
		c.log.WarnContext(ctx, "an answer could not be noted", "circuit", name, "error", err)
		return
	}
	c.forget(name)
}

func (c *Circuits) giveBack(ctx context.Context, name string, holder uuid.UUID, pause time.Duration) {
	if err := c.book.CircuitLeft(ctx, name, holder, pause); err != nil {
		c.log.WarnContext(ctx, "a probe could not be given back", "circuit", name, "error", err)
	}
}

// claim claims the probe of a circuit that is due. It returns nil, nil where the
// circuit has closed.
func (c *Circuits) claim(ctx context.Context, name string, holder uuid.UUID) (*state, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	now, claimed, err := c.book.CircuitProbe(ctx, name, holder, c.settings.Probe)
	if err != nil {
		c.log.WarnContext(ctx, "a probe could not be claimed", "circuit", name, "error", err)
		s, _ := c.known.get(name)
		return nil, c.refusal(s)
	}
	s := c.learn(now)
	switch {
	case claimed:
		return s, nil
	case !s.open():
		return nil, nil //nolint:nilnil // there is nothing to probe, and nothing wrong
	}
	return nil, c.refusal(*s)
}

// writeTimeout bounds what is asked of PostgreSQL for one call.
const writeTimeout = 3 * time.Second
