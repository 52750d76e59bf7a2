package circuit

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// Outage is a call that failed because the other side does not answer, or that was
// not made for that. errors.Is and errors.As see both what it waits for and what
// has failed.
type Outage struct {
	Wait *fault.Wait // until when the work is to wait; nil: its circuit is still closed
	Err  error       // what the call returned; nil: it was not made
	Ours bool        // the other side is a server of ours, and no provider
}

func (o *Outage) Error() string {
	if o.Wait != nil {
		return o.Wait.Error()
	}
	return o.Err.Error()
}

// Unwrap gives the *fault.Wait first: who meets one waits, and counts nothing.
func (o *Outage) Unwrap() []error {
	var list []error
	if o.Wait != nil {
		list = append(list, o.Wait)
	}
	if o.Err != nil {
		list = append(list, o.Err)
	}
	return list
}

// Is tells whether err is a failure of the other side: not of what was asked of it.
func Is(err error) bool {
	_, ok := errors.AsType[*Outage](err)
	return ok
}

// OfProvider tells whether err is a failure of a provider, or of one store there,
// and not of a server of ours.
func OfProvider(err error) bool {
	outage, ok := errors.AsType[*Outage](err)
	return ok && !outage.Ours
}

// NotMade tells whether err is of a call that was certainly not made: nothing but a
// wait came of it.
func NotMade(err error) bool {
	if outage, ok := errors.AsType[*Outage](err); ok {
		return outage.Err == nil
	}
	_, waits := errors.AsType[*fault.Wait](err)
	return waits
}

// What a call tells about the other side.
const (
	neither  = iota // nothing: it was not made, or we gave it up
	answered        // it is there, whatever it answered
	failed
)

type verdict struct {
	is    int
	why   string        // in a few words
	after time.Duration // what the other side asks to be left alone for
}

// teller is an error of a client that knows what it says about the other side.
type teller interface {
	error
	// Outage tells whether the other side has failed, why in a few words without
	// anything of the answer, and its Retry-After.
	Outage() (why string, after time.Duration, failed bool)
}

// judge tells what a call says about the other side.
func judge(ctx context.Context, err error) verdict {
	if err == nil {
		return verdict{is: answered}
	}
	_, waits := errors.AsType[*fault.Wait](err)
	if waits || errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled) {
		return verdict{is: neither}
	}
	if told, ok := errors.AsType[teller](err); ok {
		why, after, bad := told.Outage()
		if !bad {
			return verdict{is: answered}
		}
		if why == "" {
			why = reasonOf(err)
		}
		return verdict{is: failed, why: why, after: after}
	}
	for _, kind := range []error{fault.NotFound, fault.Invalid, fault.Conflict, fault.Forbidden} {
		if errors.Is(err, kind) {
			return verdict{is: answered}
		}
	}
	if errors.Is(err, fault.Unavailable) {
		return verdict{is: failed, why: reasonOf(err)}
	}
	return verdict{is: neither}
}

// reasonOf says in a few words why there was no answer.
func reasonOf(err error) string {
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "its name does not resolve"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	}
	return "no answer"
}

// words say what work waits for that meets an open circuit.
func words(s state, now time.Time) string {
	text := said(s.Name) + ", which has not answered since " + clock(s.since, now) + " (" + s.Reason
	if s.retryAt.After(now) {
		return text + "; next probe " + s.retryAt.UTC().Format(time.TimeOnly) + ")"
	}
	return text + "; being probed)"
}

// clock is a time of day in UTC, with its day where that is not today.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return t.Format("2 Jan 15:04 UTC")
	}
	return t.Format("15:04 UTC")
}

// said is what a circuit stands before, as people call it.
func said(name string) string {
	switch name {
	case NameSalla:
		return "Salla"
	case NameAccounts:
		return "Salla's OAuth server"
	case NameClerk:
		return "Clerk"
	}
	if server, ok := strings.CutPrefix(name, databasePrefix); ok {
		return "the server of tenant databases " + server
	}
	if strings.HasPrefix(name, clerkPrefix) {
		return "Clerk for this store"
	}
	return "Salla for this store"
}

// Says is what the circuit stands before, as people call it.
func Says(c store.Circuit) string { return said(c.Name) }
