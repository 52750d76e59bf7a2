package imports

import "strings"

// fillCustomer fills a person. What a customer lacks is left empty: nothing but
// the id is required.
func fillCustomer(m *mapped, _ form, d document) error {
	f, r := m.fields(), read(d, "customer")
	r.private = true
	r.time("update time", "updated_at")
	f.text("first_name", r, "first_name")
	f.text("last_name", r, "last_name")
	if f["first_name"] == nil && f["last_name"] == nil {
		first, last := splitName(r)
		if first != "" {
			f["first_name"], f["last_name"] = first, orNil(last)
		}
	}
	f.key("email", r, "email")
	f.text("city", r, "city")
	f.text("country", r, "country")
	f.text("avatar_url", r, "avatar")
	code := ""
	if r.has("country_code") || r.has("country") {
		if code = countryCode(r.text("country code", "country_code")); code == "" {
			code = countryCode(r.text("country", "country"))
		}
		f["country_code"] = orNil(code)
	}
	if r.has("mobile") { // one that cannot be dialled is none, whatever it is
		f["phone"] = orNil(e164(d.text("mobile_code"), d.text("mobile"), code))
	}
	if r.has("created_at") {
		f["registered_at"] = instant(r.time("day of registration", "created_at"))
	}
	return r.err()
}

// splitName takes a whole name apart at its first space.
func splitName(r reader) (first, last string) {
	name := r.text("name", "full_name")
	if name == "" {
		name = r.text("name", "name")
	}
	first, last, _ = strings.Cut(name, " ")
	return first, strings.TrimSpace(last)
}
