package sandbox

import (
	"encoding/json"
	"time"
)

// Event is the body of a webhook as it is sent, byte for byte.
type Event struct {
	Event string          `json:"event"`
	Body  json.RawMessage `json:"body"`
}

// envelope renders {"event","merchant","created_at","data"} as PHP would
// encode it: escaped slashes and \u sequences, so that a receiver that hashes
// anything but the bytes is found out.
func envelope(event string, merchant int64, createdAt string, data func(w *writer)) Event {
	w := writer{escaped: true}
	w.obj("")
	w.str("event", event)
	w.int("merchant", merchant)
	w.str("created_at", createdAt)
	w.key("data")
	data(&w)
	w.endObj()
	return Event{event, w.b}
}

// storeEvent renders a store event as of now.
func (st *store) storeEvent(event string, now time.Time, data func(w *writer)) Event {
	return envelope(event, st.spec.Merchant, eventTime(now), data)
}

// publish sends events to whoever subscribed. The caller does not hold the
// store's lock.
func (s *Server) publish(st *store, events []Event) {
	opts := s.Options()
	for _, e := range events {
		st.mu.Lock()
		var out []*Delivery
		for _, sub := range st.subs {
			if sub.event == e.Event {
				out = append(out, s.deliveryFor(st, sub, e, opts))
			}
		}
		st.mu.Unlock()
		for _, d := range out {
			s.courier.send(d)
		}
	}
}

// deliveryFor addresses an event to a subscription. One without a strategy is
// protected as the Options say: by default not at all.
func (s *Server) deliveryFor(st *store, sub *subscription, e Event, opts Options) *Delivery {
	d := &Delivery{
		System: systemSalla, Merchant: st.spec.Merchant, Event: e.Event,
		URL: sub.url, Body: e.Body, strategy: sub.strategy, secret: sub.secret,
	}
	if len(sub.headers) > 0 {
		d.Headers = make(map[string]string, len(sub.headers))
		for _, h := range sub.headers {
			d.Headers[h.Key] = h.Value
		}
	}
	if d.strategy == "" {
		d.strategy = strategyNone
		if opts.UnsetStrategy == strategySignature {
			d.strategy, d.secret = strategySignature, s.cfg.WebhookSecret
		}
	}
	return d
}

// appDelivery addresses an event to the app itself.
func (s *Server) appDelivery(merchant int64, e Event) *Delivery {
	return &Delivery{
		System: systemSalla, Merchant: merchant, Event: e.Event,
		URL: s.cfg.PublicURL + "/webhooks/salla", Body: e.Body,
		strategy: s.cfg.Strategy, secret: s.cfg.WebhookSecret,
	}
}
