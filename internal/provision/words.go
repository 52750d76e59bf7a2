package provision

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/tenant"
)

// worded is an error as an operator reads it: what went wrong and what to do.
// Whether it is tried again is decided by what it wraps.
type worded struct {
	words string
	err   error
}

func (e *worded) Error() string { return e.words }
func (e *worded) Unwrap() error { return e.err }

// advise adds to err what an operator can do about it.
func advise(err error, format string, args ...any) error {
	return &worded{words: err.Error() + ". " + fmt.Sprintf(format, args...), err: err}
}

// inWords returns err for the operator, where the step itself has not said what
// to do.
func inWords(name tenant.Step, err error) error {
	if _, done := errors.AsType[*worded](err); done {
		return err
	}
	if _, waits := errors.AsType[*fault.Wait](err); waits {
		return err
	}
	switch {
	case salla.IsMissingScope(err):
		return advise(err, "Give the app this scope in Salla's partner portal, have the store accept it, then retry")
	case errors.Is(err, fault.ErrGaveUp), errors.Is(err, fault.Conflict), errors.Is(err, fault.Invalid),
		errors.Is(err, fault.Forbidden), errors.Is(err, fault.NotFound):
		return advise(err, "The step %s stops here: mend the cause, then retry", name)
	case errors.Is(err, fault.Unavailable):
		return advise(err, "It is tried again by itself; if it stays, look whether the other side is reachable")
	}
	return advise(err, "It is tried again by itself")
}

// later makes an error one that is tried again, whatever its kind: the other side
// may think better of it.
func later(err error) error { return &passing{err} }

// passing hides what an error wraps, so that its kind does not end the work.
type passing struct{ err error }

func (e *passing) Error() string { return e.err.Error() }

func (e *passing) Unwrap() error { return fault.Unavailable }

func decode(doc json.RawMessage, into any) error {
	if len(doc) == 0 {
		return nil
	}
	if err := json.Unmarshal(doc, into); err != nil {
		return fmt.Errorf("read the step's intent: %w", err)
	}
	return nil
}
