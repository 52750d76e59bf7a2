package sandbox

import (
	"strings"
	"time"
)

// clerkLimit names the limits a call counts against; all but limitNone count
// against the instance's too.
type clerkLimit int

const (
	limitNone clerkLimit = iota
	limitInstance
	limitObject      // updates of one user, organization or membership
	limitInvitations // of organizations
)

// clerkLimits counts calls in fixed windows. The caller holds the instance's
// lock.
type clerkLimits struct{ spans map[string]*span }

// take counts a call and returns how long to wait, or 0. A refusal blocks the
// endpoint, not the instance.
func (l *clerkLimits) take(limit clerkLimit, endpoint, path, key string, now time.Time) time.Duration {
	most := 1000
	if strings.HasPrefix(key, "sk_test_") {
		most = 100
	}
	if limit == limitNone {
		return 0
	}
	if limit == limitObject {
		if wait := l.count("object "+path, 10, 10*time.Second, now); wait > 0 {
			return wait
		}
	}
	if limit == limitInvitations {
		if wait := l.count("invitations", 250, time.Hour, now); wait > 0 {
			return wait
		}
	}
	return l.count("endpoint "+endpoint, most, 10*time.Second, now)
}

func (l *clerkLimits) count(name string, most int, length time.Duration, now time.Time) time.Duration {
	sp := l.spans[name]
	if sp == nil || now.Sub(sp.start) >= length {
		sp = &span{start: now}
		l.spans[name] = sp
	}
	if sp.used >= most {
		return max(time.Second, sp.start.Add(length).Sub(now))
	}
	sp.used++
	return 0
}
