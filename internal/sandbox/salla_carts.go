package sandbox

import (
	"strconv"
	"strings"
)

// listCarts gives the carts that are still abandoned, newest first. A bought
// one leaves the list, and can be read alone.
func (s *Server) listCarts(c *call) {
	q := c.r.URL.Query()
	keyword := strings.ToLower(q.Get("keyword"))
	oldest := int64(-1 << 62)
	if minutes, err := strconv.ParseInt(q.Get("offset"), 10, 32); err == nil && minutes > 0 {
		oldest = s.now().Unix() - minutes*60
	}
	now := s.now()

	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	all := c.st.carts.listed(func(t *cart) bool {
		if keyword != "" && !sameID(keyword, t.customer.id) && !strings.Contains(digits(t.customer.mobile), keyword) {
			return false
		}
		return t.created >= oldest
	})
	l := listing{path: "/carts/abandoned", cursor: c.st.spec.Cursor["carts"], noLinks: "[]"}
	sendPage(c, l, all, func(w *writer, t *cart) { c.st.renderCart(w, t, cartInList, now) })
}

func (s *Server) showCart(c *call) {
	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	t, ok := c.st.carts.find(c.pathID())
	if !ok {
		c.notFound()
		return
	}
	c.sendOne(func(w *writer) { c.st.renderCart(w, t, cartAlone, s.now()) })
}
