package sandbox

import (
	"encoding/json"
)

// clerkEvent is a webhook of Clerk's, rendered while the instance was locked.
type clerkEvent struct {
	kind string
	data json.RawMessage
	at   int64
}

func (c *clerkCall) publish(kind string, data any) {
	b, err := json.Marshal(data)
	if err != nil {
		return // metadata came as JSON: it can be written as JSON
	}
	c.events = append(c.events, clerkEvent{kind, b, c.at})
}

// publishClerk sends events to the app. Their time is in milliseconds, now and
// then in seconds, as the vendor's guide and examples disagree; some lack the
// attributes of a request.
func (s *Server) publishClerk(events []clerkEvent) {
	if s.cfg.ClerkWebhookSecret == "" {
		return
	}
	for _, e := range events {
		s.clerk.mu.Lock()
		s.clerk.messages++
		n := s.clerk.messages
		s.clerk.mu.Unlock()

		at := e.at
		if at == 0 {
			at = s.now().UnixMilli()
		}
		if n%4 == 0 {
			at /= 1000
		}
		w := writer{}
		w.obj("")
		if n%3 != 0 {
			w.raw("event_attributes", `{"http_request":{"client_ip":"192.0.2.10","user_agent":"Mozilla/5.0"}}`)
		}
		w.str("object", "event")
		w.str("type", e.kind)
		w.str("instance_id", s.cfg.ClerkInstanceID)
		w.int("timestamp", at)
		w.raw("data", string(e.data))
		w.endObj()
		s.courier.send(&Delivery{
			System: systemClerk, Event: e.kind, URL: s.cfg.PublicURL + "/webhooks/clerk", Body: w.b,
			strategy: strategySvix, secret: s.cfg.ClerkWebhookSecret, messageID: "msg_" + secretText(27),
		})
	}
}
