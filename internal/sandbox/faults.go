package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// The systems that a request or a fault belongs to.
const (
	systemSalla    = "salla"
	systemAccounts = "accounts"
	systemClerk    = "clerk"
	systemTwenty   = "twenty"
	systemDelivery = "delivery" // webhooks on their way out
)

// What a fault does.
const (
	// EffectLatency only waits Latency; every other effect waits it first.
	EffectLatency = "latency"
	// EffectStatus answers Status and Body and does nothing. For a delivery:
	// it is not sent, and counts as answered so.
	EffectStatus = "status"
	// EffectDrop closes the connection and does nothing.
	EffectDrop = "drop"
	// EffectTimeoutAfter does what is asked and never answers. For a delivery:
	// it is sent, and its answer not heard.
	EffectTimeoutAfter = "timeout_after"
	// EffectDropAfter does what is asked and closes the connection.
	EffectDropAfter = "drop_after"
	// EffectMalform replaces Field (dots between keys) of the record whose id
	// is Record, in whatever list or document it appears, by Value; without a
	// Field, the whole record.
	EffectMalform = "malform"
	// EffectEmpty answers 200 with an empty body and does nothing.
	EffectEmpty = "empty"
	// EffectError200 answers 200 with the system's error body and does nothing.
	EffectError200 = "error_200"
	// EffectTruncate does what is asked and answers half of the body.
	EffectTruncate = "truncate"
	// EffectTwice does what is asked twice and sends both answers.
	EffectTwice = "twice"
	// EffectExpireToken expires the access tokens of the caller's merchant first.
	EffectExpireToken = "expire_token"
	// EffectDuplicate delivers 1+Times copies at once.
	EffectDuplicate = "duplicate"
	// EffectReorder delays a delivery by up to Latency, by chance.
	EffectReorder = "reorder"
	// EffectLose never delivers, nor resends.
	EffectLose = "lose"
	// EffectBadSignature delivers with a wrong signature.
	EffectBadSignature = "bad_signature"
)

// FaultRule says which requests or deliveries go wrong, and how. Empty
// conditions hold for all. The rule that was added last is asked first.
type FaultRule struct {
	ID int64 `json:"id"` // given by Fault

	System   string `json:"system,omitempty"` // salla, accounts, clerk, twenty, delivery
	Method   string `json:"method,omitempty"`
	Path     string `json:"path,omitempty"` // under the system's base: a prefix; with * a pattern (path.Match); with $ at its end exact
	Merchant int64  `json:"merchant,omitempty"`
	Contains string `json:"contains,omitempty"` // in the query or the body: tells one merchant's calls to Clerk
	Event    string `json:"event,omitempty"`    // of a delivery; a prefix where it ends with *

	Skip        int     `json:"skip,omitempty"`        // lets so many matches through first
	Count       int     `json:"count,omitempty"`       // then strikes so often; 0: until cleared
	Probability float64 `json:"probability,omitempty"` // seeded; 0: always

	Effect     string          `json:"effect"`
	Status     int             `json:"status,omitempty"`
	Body       string          `json:"body,omitempty"`        // "" the system's own, html, empty, truncated, else as it stands
	RetryAfter string          `json:"retry_after,omitempty"` // header, seconds or a date
	Latency    time.Duration   `json:"-"`                     // JSON: "latency":"150ms"
	Record     int64           `json:"record,omitempty"`
	Field      string          `json:"field,omitempty"`
	Value      json.RawMessage `json:"value,omitempty"`
	Times      int             `json:"times,omitempty"`

	Struck int `json:"struck"` // how often it did so far
}

// faultFields keeps the JSON methods of FaultRule from calling themselves.
type faultFields FaultRule

type faultJSON struct {
	*faultFields

	Latency string `json:"latency,omitempty"`
}

// MarshalJSON writes the latency as a duration text.
func (r FaultRule) MarshalJSON() ([]byte, error) {
	text := ""
	if r.Latency > 0 {
		text = r.Latency.String()
	}
	return json.Marshal(faultJSON{(*faultFields)(&r), text})
}

// UnmarshalJSON refuses what no rule has.
func (r *FaultRule) UnmarshalJSON(b []byte) error {
	in := faultJSON{faultFields: (*faultFields)(r)}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return fmt.Errorf("fault rule: %w", err)
	}
	if in.Latency != "" {
		wait, err := time.ParseDuration(in.Latency)
		if err != nil {
			return fmt.Errorf("fault rule: latency: %w", err)
		}
		r.Latency = wait
	}
	return nil
}

// probe is what a rule is held against.
type probe struct {
	system, method, path string
	merchant             int64
	event                string
	query                string
	body                 []byte
}

// faults are the rules in force.
type faults struct {
	mu     sync.Mutex
	rules  []*FaultRule
	nextID int64
	dice   *rand.Rand
}

func newFaults(seed uint64) *faults { return &faults{dice: newRand(seed, 9001)} }

// Fault adds a rule and returns its id, or an error for an effect that does
// not exist.
func (s *Server) Fault(rule FaultRule) (int64, error) {
	if err := rule.check(); err != nil {
		return 0, err
	}
	f := s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID++
	rule.ID, rule.Struck = f.nextID, 0
	f.rules = append(f.rules, &rule)
	return rule.ID, nil
}

func (r *FaultRule) check() error {
	switch r.Effect {
	case EffectLatency, EffectDrop, EffectTimeoutAfter, EffectDropAfter, EffectEmpty, EffectError200,
		EffectTruncate, EffectTwice, EffectExpireToken, EffectDuplicate, EffectReorder, EffectLose, EffectBadSignature:
	case EffectStatus:
		if r.Status < 100 || r.Status > 599 {
			return fmt.Errorf("fault rule: effect status needs a status")
		}
	case EffectMalform:
		if !json.Valid(r.Value) {
			return fmt.Errorf("fault rule: effect malform needs a value")
		}
	default:
		return fmt.Errorf("fault rule: no effect %q", r.Effect)
	}
	return nil
}

// Faults returns the rules in force, those added first first.
func (s *Server) Faults() []FaultRule {
	f := s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]FaultRule, len(f.rules))
	for i, r := range f.rules {
		out[i] = *r
	}
	return out
}

// ClearFaults ends every rule.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.rules = nil
}

// ClearFault ends one rule; it says whether there was one.
func (s *Server) ClearFault(id int64) bool {
	f := s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, func(r *FaultRule) bool { return r.ID == id })
	return len(f.rules) < n
}

// any says whether a request is worth a look.
func (f *faults) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.rules) > 0
}

// take finds the rule that strikes now, and counts it. A malformed record is
// counted only where one was found: see struck.
func (f *faults) take(p probe) (FaultRule, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range slices.Backward(f.rules) {
		if !r.matches(p) || (r.Count > 0 && r.Struck >= r.Count) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Probability > 0 && f.dice.Float64() >= r.Probability {
			continue
		}
		if r.Effect != EffectMalform {
			r.Struck++
		}
		return *r, true
	}
	return FaultRule{}, false
}

// struck counts a strike that take left open.
func (f *faults) struck(id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if r.ID == id {
			r.Struck++
		}
	}
}

func (r *FaultRule) matches(p probe) bool {
	event, open := strings.CutSuffix(r.Event, "*")
	switch {
	case r.System != "" && r.System != p.system:
	case r.System == "" && p.system == systemDelivery: // a delivery must be meant
	case r.Method != "" && !strings.EqualFold(r.Method, p.method):
	case r.Merchant != 0 && r.Merchant != p.merchant:
	case r.Path != "" && !pathMatches(r.Path, p.path):
	case r.Event != "" && !open && event != p.event, open && !strings.HasPrefix(p.event, event):
	case r.Contains != "" && !strings.Contains(p.query, r.Contains) && !bytes.Contains(p.body, []byte(r.Contains)):
	default:
		return true
	}
	return false
}

func pathMatches(pattern, p string) bool {
	if exact, ok := strings.CutSuffix(pattern, "$"); ok {
		return p == exact
	}
	if strings.Contains(pattern, "*") {
		ok, err := path.Match(pattern, p)
		return err == nil && ok
	}
	return strings.HasPrefix(p, pattern)
}

// hold waits a rule's latency: all of it, or by chance some of it to reorder.
func (f *faults) hold(ctx context.Context, r FaultRule) error {
	wait := r.Latency
	if wait <= 0 {
		return nil
	}
	if r.Effect == EffectReorder {
		f.mu.Lock()
		wait = time.Duration(f.dice.Int64N(int64(wait)))
		f.mu.Unlock()
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
