// Package fault names the few ways an operation can fail that a caller is
// expected to tell apart, and the few ways work can stop without failing.
// Everything else is a plain wrapped error and means "our problem".
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind classifies an error. A Kind is itself an error, so callers write
// errors.Is(err, fault.NotFound).
type Kind string

// The kinds of failure that callers branch on.
const (
	NotFound    Kind = "not found"
	Invalid     Kind = "invalid"
	Conflict    Kind = "conflict"
	Forbidden   Kind = "forbidden"
	Unavailable Kind = "unavailable" // a dependency is down or is limiting us; try later
)

func (k Kind) Error() string { return string(k) }

// Error is a failure with a Kind and a message that is safe to show to a person.
type Error struct {
	Kind Kind
	Msg  string
}

func (e *Error) Error() string { return e.Msg }

// Unwrap gives the Kind, so that errors.Is(err, fault.NotFound) holds.
func (e *Error) Unwrap() error { return e.Kind }

// New returns an *Error. The message is shown to people: no secrets, no SQL.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// ErrGaveUp marks an error that another attempt cannot mend: the work's row
// becomes a dead letter at once.
var ErrGaveUp = errors.New("gave up")

// Permanent wraps err so that the work it came from is not tried again.
func Permanent(err error) error { return fmt.Errorf("%w: %w", ErrGaveUp, err) }

// Wait says that work cannot go on now though nothing failed. It spends no
// attempt. A zero Until means that the time is not known: somebody else's act
// (a grant, an operator, a merchant) ends the wait.
type Wait struct {
	Until time.Time
	For   string // what is being waited for, in words an operator reads
}

func (w *Wait) Error() string {
	if w.Until.IsZero() {
		return "waits for " + w.For
	}
	return "waits for " + w.For + " until " + w.Until.UTC().Format(time.RFC3339)
}

// WaitUntil returns a *Wait that ends by itself at t.
func WaitUntil(t time.Time, format string, args ...any) error {
	return &Wait{Until: t, For: fmt.Sprintf(format, args...)}
}

// WaitFor returns a *Wait that somebody else ends.
func WaitFor(format string, args ...any) error {
	return &Wait{For: fmt.Sprintf(format, args...)}
}

// ErrHandBack is returned by a handler that stopped at a checkpoint because the
// process is draining: its row is due again at once and no attempt is spent.
var ErrHandBack = errors.New("handed back: the process is stopping")

// ErrLost is returned by a write that no longer holds its row: another holder
// took it, or the row went on without us. The handler stops without a trace.
var ErrLost = errors.New("the row is no longer held")

type drainKey struct{}

// WithDrain returns a context whose Draining turns true when done is closed.
// The context itself is not cancelled: what runs may finish.
func WithDrain(ctx context.Context, done <-chan struct{}) context.Context {
	return context.WithValue(ctx, drainKey{}, done)
}

// Draining tells whether the process has been asked to stop, so that a handler
// can stop at its next checkpoint with ErrHandBack.
func Draining(ctx context.Context) bool {
	done, ok := ctx.Value(drainKey{}).(<-chan struct{})
	if !ok {
		return false
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}
