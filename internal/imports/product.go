package imports

import (
	"net/url"
	"regexp"
	"strings"
)

// fillProduct fills a product: a name and a price are required.
func fillProduct(m *mapped, how form, d document) error {
	f := m.fields()
	f.text("name", d, "name")
	if err := required("name", "name", f["name"], "product's name"); err != nil {
		return err
	}
	price := d.money("price")
	f["price"] = decimal(price.Amount)
	if err := required("price", "price", f["price"], "product's price"); err != nil {
		return err
	}
	if currency := currencyOf(d, "price", "regular_price"); currency != "" {
		f["currency"] = currency
	}
	if d.has("regular_price") {
		f["compare_price"] = nil
		if regular := d.money("regular_price").Amount; regular.Cmp(price.Amount) > 0 {
			f["compare_price"] = decimal(regular)
		}
	}
	f.text("description", d, "description")
	f.number("stock_quantity", d, "quantity")
	f.text("sku", d, "sku")
	// An event may leave the barcode out by writing null.
	if how != asEvent || d.said("gtin") {
		f.text("barcode", d, "gtin")
	}
	f.number("weight", d, "weight")
	if ships, ok := d.yes("require_shipping"); ok {
		f["requires_shipping"] = ships
	}
	if d.has("status") {
		f["status"] = "ACTIVE"
		if d.text("status") == "hidden" {
			f["status"] = "DRAFT"
		}
	}
	fillImages(f, d)
	fillCatalogue(f, d)
	return nil
}

// fillImages takes the main image where one is named, else the first.
func fillImages(f fields, d document) {
	if !d.has("main_image") && !d.has("images") {
		return
	}
	main, alt := d.text("main_image"), ""
	images := []map[string]any{}
	for _, image := range d.list("images") {
		address, text := image.text("url"), image.text("alt")
		if address == "" {
			continue
		}
		if main == "" {
			main = address
		}
		if address == main && alt == "" {
			alt = text
		}
		images = append(images, map[string]any{"url": address, "alt": orNil(text)})
	}
	if main == "" {
		main = d.text("thumbnail")
	}
	f["main_image"], f["image_alt"] = orNil(main), orNil(alt)
	if d.has("images") {
		f["images"] = embed(images)
	}
}

// fillCatalogue fills where the product stands in the shop.
func fillCatalogue(f fields, d document) {
	if d.has("categories") {
		categories := []map[string]any{}
		for _, c := range d.list("categories") {
			categories = append(categories, map[string]any{"id": orNil(c.id("id")), "name": orNil(c.text("name"))})
		}
		f["categories"] = embed(categories)
	}
	if d.has("brand") {
		f["brand_id"] = orNil(d.object("brand").id("id"))
	}
	if metadata := d.object("metadata"); metadata != nil {
		f.text("meta_title", metadata, "title")
		f.text("meta_description", metadata, "description")
	}
	address := d.object("urls").text("customer")
	if address == "" {
		address = d.text("url")
	}
	if address != "" {
		f["canonical_url"], f["slug"] = address, orNil(slug(address))
	}
}

var productID = regexp.MustCompile(`^p\d+$`)

// slug is the part of a product's address that names it.
func slug(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	last := len(parts) - 1
	if last > 0 && productID.MatchString(parts[last]) {
		last--
	}
	return parts[last]
}

// currencyOf gives the currency of a document, or of the first of its amounts that
// has one; "" where none is said.
func currencyOf(d document, amounts ...string) string {
	for _, said := range append([]string{d.text("currency")}, currencies(d, amounts)...) {
		if len(said) == 3 && strings.ToUpper(said) == said {
			return said
		}
	}
	return ""
}

func currencies(d document, keys []string) []string {
	var all []string
	for _, key := range keys {
		all = append(all, d.money(key).Currency)
	}
	return all
}

// raw gives a value to keep as it is in a JSON column, nil for nothing.
func raw(d document, key string) any {
	switch string(d[key]) {
	case "", "null", `""`, "[]", "{}", "false":
		return nil
	}
	return d[key]
}
