package imports

import "strings"

// fillCustomer fills a person. What a customer lacks is left empty: nothing but
// the id is required.
func fillCustomer(m *mapped, _ form, d document) error {
	f := m.fields()
	f.text("first_name", d, "first_name")
	f.text("last_name", d, "last_name")
	if f["first_name"] == nil && f["last_name"] == nil {
		first, last := splitName(d)
		if first != "" {
			f["first_name"], f["last_name"] = first, orNil(last)
		}
	}
	f.text("email", d, "email")
	f.text("city", d, "city")
	f.text("country", d, "country")
	f.text("avatar_url", d, "avatar")
	code := ""
	if d.has("country_code") || d.has("country") {
		if code = countryCode(d.text("country_code")); code == "" {
			code = countryCode(d.text("country"))
		}
		f["country_code"] = orNil(code)
	}
	if d.has("mobile") {
		f["phone"] = orNil(e164(d.text("mobile_code"), d.text("mobile"), code))
	}
	if d.has("created_at") {
		f["registered_at"] = instant(d.time("created_at"))
	}
	return nil
}

// splitName takes a whole name apart at its first space.
func splitName(d document) (first, last string) {
	name := d.text("full_name")
	if name == "" {
		name = d.text("name")
	}
	first, last, _ = strings.Cut(name, " ")
	return first, strings.TrimSpace(last)
}
