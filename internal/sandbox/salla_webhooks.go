package sandbox

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// subscription is one webhook that an app registered in a store.
type subscription struct {
	id       int64
	name     string
	event    string
	url      string
	version  int
	rule     string // kept and shown, not evaluated
	headers  []header
	strategy string // "" until set
	secret   string
}

type header struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// webhookRequest is the body of subscribe and of PUT; what is absent is nil.
type webhookRequest struct {
	Name     *string   `json:"name"`
	Event    *string   `json:"event"`
	URL      *string   `json:"url"`
	Version  *int      `json:"version"`
	Rule     *string   `json:"rule"`
	Headers  *[]header `json:"headers"`
	Strategy *string   `json:"security_strategy"`
	Secret   *string   `json:"secret"`
}

func (c *call) webhookRequest() (webhookRequest, bool) {
	var in webhookRequest
	if err := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, 64<<10)).Decode(&in); err != nil {
		sallaError(c.w, http.StatusBadRequest, "bad_request", "The request body is not valid JSON")
		return in, false
	}
	return in, true
}

// subscribe registers one event at one address. The same pair again changes
// the one that is there.
func (s *Server) subscribe(c *call) {
	in, ok := c.webhookRequest()
	if !ok {
		return
	}
	bad := map[string][]string{}
	if in.Event == nil || *in.Event == "" {
		bad["event"] = []string{"حقل event إجباري"}
	} else if !slices.ContainsFunc(sallaEvents(), func(e sallaEvent) bool { return e.name == *in.Event }) {
		bad["event"] = []string{"حقل event غير صالحٍ"}
	}
	if in.URL == nil || *in.URL == "" {
		bad["url"] = []string{"حقل url إجباري"}
	}
	if !c.opts.SubscribeSecurity {
		in.Strategy, in.Secret = nil, nil
	}
	in.check(bad)
	if len(bad) > 0 {
		sallaInvalid(c.w, bad)
		return
	}
	st := c.st
	st.mu.Lock()
	defer st.mu.Unlock()
	i := slices.IndexFunc(st.subs, func(sub *subscription) bool { return sub.event == *in.Event && sub.url == *in.URL })
	var sub *subscription
	if i >= 0 {
		sub = st.subs[i]
	} else {
		st.nextSub += 7
		sub = &subscription{id: st.nextSub, event: *in.Event, version: 2}
		st.subs = append(st.subs, sub)
	}
	in.apply(sub)
	c.sendOne(func(w *writer) { sub.render(w, false) })
}

// updateWebhook sets everything but the event, and is where the strategy and
// its secret belong.
func (s *Server) updateWebhook(c *call) {
	in, ok := c.webhookRequest()
	if !ok {
		return
	}
	bad := map[string][]string{}
	in.check(bad)
	if in.Strategy != nil && *in.Strategy == strategySignature && (in.Secret == nil || *in.Secret == "") {
		bad["secret"] = []string{"حقل secret إجباري"}
	}
	if len(bad) > 0 {
		sallaInvalid(c.w, bad)
		return
	}
	st, id := c.st, c.pathID()
	st.mu.Lock()
	defer st.mu.Unlock()
	i := slices.IndexFunc(st.subs, func(sub *subscription) bool { return sub.id == id })
	if i < 0 {
		c.notFound()
		return
	}
	in.apply(st.subs[i])
	c.sendOne(func(w *writer) { st.subs[i].render(w, true) })
}

// check adds to bad what a vendor would refuse.
func (in *webhookRequest) check(bad map[string][]string) {
	if in.URL != nil && *in.URL != "" && !acceptableURL(*in.URL) {
		bad["url"] = []string{"لابد أن يكون الرابط صالح وفعّال (لا يحتوي على localhost أو test.)"}
	}
	if in.Version != nil && *in.Version != 1 && *in.Version != 2 {
		bad["version"] = []string{"حقل version غير صالحٍ"}
	}
	if in.Strategy != nil && *in.Strategy != strategySignature && *in.Strategy != strategyToken {
		bad["security_strategy"] = []string{"حقل security_strategy غير صالحٍ"}
	}
}

// acceptableURL says whether Salla would register an address: https, and no
// machine of one's own.
func acceptableURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, "localhost") || strings.Contains(host, "test.") {
		return false
	}
	if ip := net.ParseIP(host); ip != nil {
		return !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsUnspecified()
	}
	return strings.Contains(host, ".")
}

func (in *webhookRequest) apply(sub *subscription) {
	if in.Name != nil {
		sub.name = *in.Name
	}
	if in.URL != nil && *in.URL != "" {
		sub.url = *in.URL
	}
	if in.Version != nil {
		sub.version = *in.Version
	}
	if in.Rule != nil {
		sub.rule = *in.Rule
	}
	if in.Headers != nil {
		sub.headers = *in.Headers
	}
	if in.Strategy != nil {
		sub.strategy = *in.Strategy
	}
	if in.Secret != nil {
		sub.secret = *in.Secret
	}
}

func (sub *subscription) render(w *writer, security bool) {
	w.obj("")
	w.int("id", sub.id)
	w.str("name", sub.name)
	w.str("event", sub.event)
	w.str("type", "manual")
	w.str("url", sub.url)
	w.int("version", int64(sub.version))
	w.strOrNull("rule", sub.rule)
	if len(sub.headers) == 0 {
		w.raw("headers", "[]") // PHP's empty map
	} else {
		w.obj("headers")
		for _, h := range sub.headers {
			w.key(jsonText(h.Key))
			w.str("", h.Value)
		}
		w.endObj()
	}
	if security {
		w.obj("security")
		w.strOrNull("strategy", sub.strategy)
		w.strOrNull("secret", sub.secret)
		w.endObj()
	}
	w.endObj()
}

// jsonText is s as the inside of a JSON string.
func jsonText(s string) string {
	w := writer{}
	w.text(s)
	return string(w.b)
}

func (s *Server) listWebhooks(c *call) {
	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	sendPage(c, listing{path: "/webhooks", noLinks: "[]"}, c.st.subs, func(w *writer, sub *subscription) {
		sub.render(w, c.opts.ListSecurity)
	})
}

func (s *Server) listWebhookEvents(c *call) {
	c.sendOne(func(w *writer) {
		w.arr("")
		for i, e := range sallaEvents() {
			w.obj("")
			w.int("id", 1000+int64(i))
			w.str("label", e.label)
			w.str("event", e.name)
			w.endObj()
		}
		w.endArr()
	})
}

// unsubscribe removes by id, by address (every webhook on it), or by both.
func (s *Server) unsubscribe(c *call) {
	q := c.r.URL.Query()
	id, where := q.Get("id"), q.Get("url")
	if id == "" && where == "" {
		sallaInvalid(c.w, map[string][]string{"id": {"حقل id إجباري"}, "url": {"حقل url إجباري"}})
		return
	}
	st := c.st
	st.mu.Lock()
	n := len(st.subs)
	st.subs = slices.DeleteFunc(st.subs, func(sub *subscription) bool {
		return sameID(id, sub.id) || (where != "" && sub.url == where)
	})
	removed := n - len(st.subs)
	st.mu.Unlock()
	if removed == 0 {
		c.notFound()
		return
	}
	out := writer{}
	out.obj("")
	out.int("status", http.StatusAccepted)
	out.bool("success", true)
	out.obj("data")
	out.str("message", "تم حذف الرابط بنجاح")
	out.int("code", http.StatusAccepted)
	out.endObj()
	out.endObj()
	writeJSON(c.w, http.StatusAccepted, out.b)
}

// Subscription is a registered webhook, as the sandbox keeps it.
type Subscription struct {
	ID       int64  `json:"id"`
	Event    string `json:"event"`
	URL      string `json:"url"`
	Strategy string `json:"strategy"`
	Secret   bool   `json:"secret"` // whether one is set
}

// Subscriptions returns the webhooks registered in a store.
func (s *Server) Subscriptions(merchant int64) []Subscription {
	st, ok := s.store(merchant)
	if !ok {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	out := make([]Subscription, len(st.subs))
	for i, sub := range st.subs {
		out[i] = Subscription{sub.id, sub.event, sub.url, sub.strategy, sub.secret != ""}
	}
	return out
}
