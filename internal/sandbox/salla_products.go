package sandbox

import "strings"

// listProducts gives full products, newest first; the endpoint knows no order
// and no dates.
func (s *Server) listProducts(c *call) {
	q := c.r.URL.Query()
	keyword, status, category := strings.ToLower(q.Get("keyword")), q.Get("status"), q.Get("category")
	form := productInList
	if q.Get("format") == "light" {
		form = productLight
	}

	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	all := view(c.st.views, viewName("products", q), func() []*product {
		return c.st.products.listed(func(p *product) bool {
			if keyword != "" && !strings.Contains(strings.ToLower(p.name), keyword) && !strings.EqualFold(p.sku, keyword) {
				return false
			}
			return (status == "" || p.status == status) && (category == "" || sameID(category, categoryID(p.good)))
		})
	})
	sendPage(c, listing{ListForm: c.st.form("products"), path: "/products", noLinks: "[]", half: c.st.spec.Products / 2}, all, func(w *writer, p *product) {
		c.st.renderProduct(w, p, form)
	})
}

func (s *Server) showProduct(c *call) {
	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	p, ok := c.st.products.find(c.pathID())
	if !ok {
		c.notFound()
		return
	}
	c.sendOne(func(w *writer) { c.st.renderProduct(w, p, productAlone) })
}
