package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	logSize       = 4000 // deliveries kept
	atOnce        = 16   // deliveries under way
	sallaTimeout  = 30 * time.Second
	clerkTimeout  = 15 * time.Second
	sallaResends  = 3
	defaultResend = 5 * time.Minute
)

// courier delivers webhooks: bounded at once, in no promised order, resent as
// the vendor does.
type courier struct {
	s      *Server
	client *http.Client
	slots  chan struct{}

	mu     sync.Mutex
	target string
	nextID int64
	log    []*Delivery
	first  int           // deliveries whose first attempt is not over
	quiet  chan struct{} // closed when first reaches 0
	sent   map[string]int
}

func newCourier(s *Server, target string) *courier {
	quiet := make(chan struct{})
	close(quiet)
	return &courier{
		s: s, target: target, slots: make(chan struct{}, atOnce), quiet: quiet, sent: map[string]int{},
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: atOnce, IdleConnTimeout: 30 * time.Second},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *courier) setTarget(base string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target = base
}

// record gives a delivery its id and place in the log.
func (c *courier) record(d *Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextID++
	d.ID, d.State = c.nextID, DeliveryPending
	if len(c.log) >= logSize {
		c.log = append(c.log[:0], c.log[len(c.log)-logSize/2:]...)
	}
	c.log = append(c.log, d)
	if c.first == 0 {
		c.quiet = make(chan struct{})
	}
	c.first++
}

func (c *courier) firstOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first--
	if c.first == 0 {
		close(c.quiet)
	}
}

// send delivers in the background.
func (c *courier) send(d *Delivery) {
	c.record(d)
	if !c.s.background(func(ctx context.Context) {
		ok := c.attempt(ctx, d)
		c.firstOver()
		c.resend(ctx, d, ok)
	}) {
		c.firstOver()
	}
}

// sendNow returns after the first attempt; resends go on in the background.
func (c *courier) sendNow(ctx context.Context, d *Delivery) {
	c.record(d)
	ok := c.attempt(ctx, d)
	c.firstOver()
	if !ok {
		c.s.background(func(ctx context.Context) { c.resend(ctx, d, false) })
	}
}

// resend follows the vendor's schedule until an attempt succeeds.
func (c *courier) resend(ctx context.Context, d *Delivery, done bool) {
	for _, wait := range c.schedule(d) {
		if done {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		done = c.attempt(ctx, d)
	}
	if !done {
		c.settle(d, DeliveryFailed)
		c.s.log.WarnContext(ctx, "delivery given up", "system", d.System, "event", d.Event, "merchant", d.Merchant)
	}
}

// schedule is the waits between attempts.
func (c *courier) schedule(d *Delivery) []time.Duration {
	every := c.s.cfg.RetryEvery
	if d.System == systemSalla {
		waits := make([]time.Duration, sallaResends)
		for i := range waits {
			waits[i] = every
		}
		return waits
	}
	waits := []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
	}
	for i := range waits {
		waits[i] = time.Duration(float64(waits[i]) * float64(every) / float64(defaultResend))
	}
	return waits
}

// attempt tries once, with the faults of deliveries, and says whether nothing
// more is to be done.
func (c *courier) attempt(ctx context.Context, d *Delivery) bool {
	f, faulty := c.s.faults.take(probe{system: systemDelivery, method: http.MethodPost, merchant: d.Merchant, event: d.Event, body: d.Body})
	if faulty && c.s.faults.hold(ctx, f) != nil {
		return false
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return false
	}
	headers := d.headersAt(c.s.now())
	timeout := sallaTimeout
	if d.System == systemClerk {
		timeout = clerkTimeout
	}
	copies := 1
	if faulty {
		switch f.Effect {
		case EffectLose:
			c.settle(d, DeliveryLost)
			return true
		case EffectDrop:
			c.note(d, 0, errors.New("connection lost before it was sent"))
			return false
		case EffectStatus:
			c.note(d, f.Status, nil)
			return false
		case EffectBadSignature:
			spoil(headers)
		case EffectDuplicate:
			copies += max(1, f.Times)
		}
	}
	status, err := c.postCopies(ctx, copies, d, headers, timeout)
	if faulty && (f.Effect == EffectTimeoutAfter || f.Effect == EffectDropAfter) {
		status, err = 0, errors.New("the answer was not heard")
	}
	c.note(d, status, err)
	if err != nil || !d.succeeded(status) {
		if c.hasTarget() {
			return false
		}
		c.settle(d, DeliveryLost) // there is no receiver: nothing to resend to
		return true
	}
	c.settle(d, DeliveryDelivered)
	return true
}

// postCopies sends a message several times at once; the first answer counts.
func (c *courier) postCopies(ctx context.Context, n int, d *Delivery, h http.Header, timeout time.Duration) (int, error) {
	var others sync.WaitGroup
	for range n - 1 {
		others.Go(func() { _, _ = c.post(ctx, d.URL, h, d.Body, timeout) }) // a copy's answer is of no account
	}
	status, err := c.post(ctx, d.URL, h, d.Body, timeout)
	others.Wait()
	return status, err
}

func spoil(h http.Header) {
	for _, k := range []string{"X-Salla-Signature", "Authorization", "Svix-Signature"} {
		if v := h.Get(k); v != "" {
			h.Set(k, v[:len(v)-2]+"AA")
		}
	}
}

func (c *courier) post(ctx context.Context, registered string, h http.Header, body []byte, timeout time.Duration) (int, error) {
	c.mu.Lock()
	target := c.target
	c.mu.Unlock()
	to, err := redirected(registered, target)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	req.Header = h.Clone()
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	return resp.StatusCode, nil
}

func (c *courier) hasTarget() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.target != ""
}

func (c *courier) note(d *Delivery, status int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := Attempt{At: c.s.now(), Status: status}
	if err != nil {
		a.Error = err.Error()
	}
	d.Attempts = append(d.Attempts, a)
	c.sent["attempts"]++
}

func (c *courier) settle(d *Delivery, state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.State = state
	c.sent[state]++
}

// counts returns how many attempts were made and how deliveries ended.
func (c *courier) counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int{"attempts": 0, "total": int(c.nextID)}
	for k, n := range c.sent {
		out[k] = n
	}
	return out
}

// Settle waits until every delivery so far was tried at least once, or ctx ends.
func (s *Server) Settle(ctx context.Context) error {
	s.courier.mu.Lock()
	quiet := s.courier.quiet
	s.courier.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for deliveries: %w", ctx.Err())
	}
}

// background runs f until it ends; f's context ends with Close. It says
// whether f was started: after Close nothing is.
func (s *Server) background(f func(ctx context.Context)) bool {
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.work.Go(func() { f(s.ctx) })
	return true
}
