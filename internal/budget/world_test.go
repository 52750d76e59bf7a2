package budget_test

import (
	"container/heap"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
)

// world is a fleet and a sandbox store whose clocks a test drives: what happens in
// minutes there takes seconds here. Nothing happens at the same time; what makes
// answers come out of order is how long each takes.
type world struct {
	t     *testing.T
	now   time.Time
	shop  *sandbox.Server
	token string
	fleet []*budget.Budget
	todo  events
	seq   int
	rand  *rand.Rand
	// latency is the longest that a call takes, there and back.
	latency time.Duration
	begun   time.Time

	taken   map[budget.Class]int
	refused map[budget.Class]int
	wasted  int // first calls of two whose second was not made

	refusals int // calls that were taken and that the store refused
}

// sallaSkew is how far Salla's clock is from Redis's.
const sallaSkew = 11 * time.Second

func newWorld(t *testing.T, limit int, leaky bool) *world {
	t.Helper()
	w := &world{
		t: t, now: time.Now(), rand: rand.New(rand.NewPCG(7, uint64(limit))), latency: 600 * time.Millisecond,
		taken: map[budget.Class]int{}, refused: map[budget.Class]int{},
	}
	w.begun = w.now
	w.shop = sandbox.New(sandbox.Config{
		Seed: 3, PublicURL: "https://wosool.example", ClientID: "client", ClientSecret: "secret",
		WebhookSecret: "webhook-secret", Now: func() time.Time { return w.now.Add(sallaSkew) },
	})
	t.Cleanup(w.shop.Close)
	o := w.shop.Options()
	o.LeakyLimits = leaky
	w.shop.SetOptions(o)
	w.shop.AddStore(sandbox.StoreSpec{Merchant: shop, Limit: limit, Products: 1})
	if err := w.shop.Install(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	for _, d := range w.shop.Deliveries() {
		var event struct {
			Data struct {
				Token string `json:"access_token"`
			} `json:"data"`
		}
		if json.Unmarshal(d.Body, &event) == nil && event.Data.Token != "" {
			w.token = event.Data.Token
		}
	}
	if w.token == "" {
		t.Fatal("the store granted nothing")
	}
	rdb := newRedis(t)
	for member := range 3 {
		b, skew := budget.New(rdb), w.skew(member)
		b.SetClocks(func() time.Time { return w.now }, func() time.Time { return w.now.Add(skew) })
		w.fleet = append(w.fleet, b)
	}
	return w
}

// skew gives how far a member's clock is from Redis's.
func (w *world) skew(member int) time.Duration {
	return []time.Duration{-40 * time.Second, 0, 3 * time.Minute}[member%3]
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(v any)   { *e = append(*e, v.(event)) } //nolint:forcetypeassert // only events come
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

func (w *world) at(when time.Time, do func()) {
	w.seq++
	heap.Push(&w.todo, event{when, w.seq, do})
}

// run lets that much time go by.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.todo) > 0 && !w.todo[0].at.After(end) {
		e := heap.Pop(&w.todo).(event) //nolint:forcetypeassert // only events come
		w.now = e.at
		e.do()
	}
	w.now = end
}

// RoundTrip calls the sandbox without a network.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	r.RequestURI = ""
	w.shop.Handler().ServeHTTP(rec, r)
	return rec.Result(), nil
}

// ask makes one call and gives what its answer says, by a member's clock.
func (w *world) ask(member int) budget.Answer {
	var a budget.Answer
	c := &salla.Client{BaseURL: "http://shop" + w.shop.SallaURL(""), HTTP: &http.Client{Transport: w}, Token: w.token}
	c.Observe = func(l salla.Limits) {
		a = budget.Answer{Limit: l.Limit, Remaining: l.Remaining, RetryAfter: l.RetryAfter, Refused: l.Refused}
		if !l.Reset.IsZero() {
			a.Reset = w.now.Add(w.skew(member)).Add(time.Until(l.Reset))
		}
	}
	_, err := c.StoreInfo(w.t.Context())
	if _, limited := salla.IsRateLimited(err); err != nil && !limited {
		w.t.Fatal(err)
	}
	return a
}

// call takes a call and makes it. then is told, once it is over, nil or how long to wait.
func (w *world) call(member int, class budget.Class, then func(wait time.Duration)) {
	call, err := w.fleet[member%3].Take(w.t.Context(), shop, class, 0)
	if err != nil {
		wait, ok := errors.AsType[*fault.Wait](err)
		if !ok {
			w.t.Fatal(err)
		}
		w.refused[class]++
		then(max(wait.Until.Sub(w.now.Add(w.skew(member))), time.Millisecond))
		return
	}
	w.taken[class]++
	there := time.Duration(w.rand.Int64N(int64(w.latency / 2)))
	back := time.Duration(w.rand.Int64N(int64(w.latency / 2)))
	w.after(there, func() {
		a := w.ask(member)
		if a.Refused {
			w.refusals++
		}
		w.after(back, func() {
			w.fleet[member%3].Observe(w.t.Context(), call, a)
			then(0)
		})
	})
}

// again is when a task that is told to wait runs again: the queue looks once a second.
func (w *world) again(wait time.Duration, do func()) {
	at := w.now.Add(wait).Sub(w.begun)
	w.at(w.begun.Add((at + time.Second - 1).Truncate(time.Second)), do)
}

// work makes calls of a class as long as the world runs.
func (w *world) work(member int, class budget.Class) {
	w.call(member, class, func(wait time.Duration) {
		if wait > 0 {
			w.again(wait, func() { w.work(member, class) })
			return
		}
		w.work(member, class)
	})
}

// details reads orders as long as the world runs: two calls each, and the first for
// nothing where the second has to wait.
func (w *world) details(member int) {
	later := func(wait time.Duration) { w.again(wait, func() { w.details(member) }) }
	w.call(member, budget.Detail, func(wait time.Duration) {
		if wait > 0 {
			later(wait)
			return
		}
		w.call(member, budget.Detail.Begun(), func(wait time.Duration) {
			if wait > 0 {
				w.wasted++
				later(wait)
				return
			}
			w.details(member)
		})
	})
}

func (w *world) rate() sandbox.Rate { return w.shop.Stats().Rates[shop] }

// none fails if a call was made beyond the limit.
func (w *world) none() {
	w.t.Helper()
	if r := w.rate(); r.Limited > 0 || r.Beyond > 0 {
		w.t.Errorf("%d calls were refused and %d let through beyond the limit of %d, want none", r.Limited, r.Beyond, r.Limit)
	}
}
