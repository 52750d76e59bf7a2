package sandbox

func (s *Server) storeInfo(c *call) {
	st := c.st
	c.sendOne(func(w *writer) {
		w.obj("")
		w.int("id", st.spec.Merchant)
		w.str("name", st.spec.Name)
		w.str("entity", "company")
		w.str("email", st.spec.Email)
		w.str("avatar", "https://cdn.salla.sa/logo/logo-fashion.jpg")
		w.str("plan", st.spec.Plan)
		w.str("type", st.spec.Type)
		w.str("status", "active")
		w.bool("verified", die(st.seed, 71, 2) == 0)
		w.str("currency", st.spec.Currency)
		w.str("domain", st.domain)
		w.strs("description", "أهلا بكم في ", st.spec.Name)
		w.obj("licenses")
		w.intText("tax_number", 300000000000000+int64(die(st.seed, 72, 99999999)), true)
		w.intText("commercial_number", 1010000000+int64(die(st.seed, 73, 999999)), true)
		w.null("freelance_number")
		w.endObj()
		w.obj("social")
		w.null("telegram")
		w.str("twitter", "https://twitter.com/SallaApp")
		w.null("facebook")
		w.str("maroof", "https://maroof.sa/")
		w.null("youtube")
		w.null("snapchat")
		w.str("whatsapp", "+966501806978")
		w.null("appstore_link")
		w.null("googleplay_link")
		w.endObj()
		w.endObj()
	})
}

// settings answers GET /settings; entity is required and one of nine.
func (s *Server) settings(c *call) {
	entity := c.r.URL.Query().Get("entity")
	switch entity {
	case "products", "orders", "customers", "reports", "blogs", "mahally", "feedbacks", "shipping", "store":
	case "":
		sallaInvalid(c.w, map[string][]string{"entity": {"حقل entity إجباري"}})
		return
	default:
		sallaInvalid(c.w, map[string][]string{"entity": {"حقل entity غير صالحٍ"}})
		return
	}
	st := c.st
	type setting struct{ slug, value string }
	var texts []setting
	if entity == "store" {
		texts = []setting{{"name", st.spec.Name}, {"currency", st.spec.Currency}, {"timezone", "Asia/Riyadh"}, {"locale", "ar"}}
	}
	c.sendOne(func(w *writer) {
		w.arr("")
		for _, one := range texts {
			w.obj("")
			w.strs("slug", entity, ".", one.slug)
			w.str("type", "string")
			w.str("value", one.value)
			w.endObj()
		}
		w.obj("")
		w.strs("slug", entity, ".enabled")
		w.str("type", "boolean")
		w.bool("value", true)
		w.endObj()
		w.endArr()
	})
}
