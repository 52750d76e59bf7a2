package sandbox

import (
	"slices"
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
	all := view(c.st.views, viewName("carts", q), func() []*cart {
		return c.st.carts.listed(func(t *cart) bool {
			return keyword == "" || sameID(keyword, t.customer.id) || strings.Contains(digits(t.customer.mobile), keyword)
		})
	})
	if oldest > 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(t *cart) bool { return t.created < oldest })
	}
	l := listing{ListForm: c.st.form("carts"), path: "/carts/abandoned", noLinks: "[]", half: c.st.spec.Carts / 2}
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
