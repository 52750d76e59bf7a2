package sandbox

import (
	"strconv"
	"strings"
	"time"
)

func (s *Server) listCustomers(c *call) {
	q := c.r.URL.Query()
	keyword := strings.ToLower(q.Get("keyword"))
	form := c.st.form("customers")
	from, to, ok := c.between(form, q.Get("date_from"), q.Get("date_to"), "date_from", "date_to")
	if !ok {
		return
	}
	fields := q["fields[]"]

	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	all := view(c.st.views, viewName("customers", q), func() []*customer {
		return c.st.customers.listed(func(u *customer) bool {
			return u.created >= from && u.created <= to && (keyword == "" || u.matches(keyword))
		})
	})
	l := listing{ListForm: form, path: "/customers", noLinks: "[]", half: c.st.spec.Customers / 2}
	sendPage(c, l, all, func(w *writer, u *customer) { c.st.renderCustomer(w, u, customerInList, fields) })
}

func (s *Server) showCustomer(c *call) {
	fields := c.r.URL.Query()["fields[]"]
	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	u, ok := c.st.customers.find(c.pathID())
	if !ok {
		c.notFound()
		return
	}
	c.sendOne(func(w *writer) { c.st.renderCustomer(w, u, customerAlone, fields) })
}

func (u *customer) matches(keyword string) bool {
	return strings.Contains(strings.ToLower(u.name()), keyword) ||
		strings.Contains(u.email, keyword) ||
		strings.Contains(strconv.FormatInt(u.mobile, 10), keyword)
}

// between reads a range of days, or of times. A day includes its end, unless the
// list's form leaves the last one out. What is no date is answered with 422.
func (c *call) between(form ListForm, from, to, fromName, toName string) (low, high int64, ok bool) {
	zone := riyadh
	if form.FilterUTC {
		zone = time.UTC
	}
	low, _, okFrom := instant(from, zone, -1<<62)
	first, last, okTo := instant(to, zone, 1<<62)
	high = last
	if form.ToDateExclusive && to != "" {
		high = first - 1
	}
	bad := map[string][]string{}
	if !okFrom {
		bad[fromName] = []string{"حقل " + fromName + " ليس تاريخًا صحيحًا"}
	}
	if !okTo {
		bad[toName] = []string{"حقل " + toName + " ليس تاريخًا صحيحًا"}
	}
	if len(bad) > 0 {
		sallaInvalid(c.w, bad)
		return 0, 0, false
	}
	return low, high, true
}

// instant gives the first and the last second that s names.
func instant(s string, zone *time.Location, missing int64) (first, last int64, ok bool) {
	if s == "" {
		return missing, missing, true
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return t.Unix(), t.AddDate(0, 0, 1).Unix() - 1, true
	}
	for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.Unix(), t.Unix(), true
		}
	}
	return 0, 0, false
}

func sameID(s string, id int64) bool { return s == strconv.FormatInt(id, 10) }
