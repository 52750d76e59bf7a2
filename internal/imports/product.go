package imports

import (
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// fillProduct fills a product: a name and a price are required.
func fillProduct(m *mapped, how form, d document) error {
	f, r := m.fields(), read(d, "product")
	r.time("update time", "updated_at")
	f.text("name", r, "name")
	if f["name"] == nil {
		r.missing("name", "name")
	}
	price := r.money("price", "price")
	if f["price"] = decimal(price); price == "" {
		r.missing("price", "price")
	}
	if currency := r.currency("price", "regular_price"); currency != "" {
		f["currency"] = currency
	}
	if r.has("regular_price") {
		f["compare_price"] = nil
		if regular := r.money("regular price", "regular_price"); regular.Cmp(price) > 0 {
			f["compare_price"] = decimal(regular)
		}
	}
	f.text("description", r, "description")
	f.number("stock_quantity", r, "quantity")
	f.key("sku", r, "sku")
	// An event may leave the barcode out by writing null.
	if how != asEvent || d.said("gtin") {
		f.text("barcode", r, "gtin")
	}
	f.number("weight", r, "weight")
	if ships, ok := r.yes("need of shipping", "require_shipping"); ok {
		f["requires_shipping"] = ships
	}
	if r.has("status") {
		f["status"] = "ACTIVE"
		if r.text("status", "status") == "hidden" {
			f["status"] = "DRAFT"
		}
	}
	fillImages(f, r)
	fillCatalogue(f, r)
	return r.err()
}

// fillImages takes the main image where one is named, else the first.
func fillImages(f fields, r reader) {
	if !r.has("main_image") && !r.has("images") {
		return
	}
	main, alt := r.text("main image", "main_image"), ""
	images := []map[string]any{}
	for _, image := range r.list("images", "images") {
		address, text := image.text("image's address", "url"), image.text("image's text", "alt")
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
		main = r.text("main image", "thumbnail")
	}
	f["main_image"], f["image_alt"] = orNil(main), orNil(alt)
	if r.has("images") {
		f["images"] = embed(images)
	}
}

// fillCatalogue fills where the product stands in the shop.
func fillCatalogue(f fields, r reader) {
	if r.has("categories") {
		categories := []map[string]any{}
		for _, c := range r.list("categories", "categories") {
			categories = append(categories, map[string]any{
				"id": orNil(c.id("category's id", "id")), "name": orNil(c.text("category's name", "name")),
			})
		}
		f["categories"] = embed(categories)
	}
	if r.has("brand") {
		f["brand_id"] = orNil(r.object("brand", "brand").id("brand's id", "id"))
	}
	if metadata := r.object("metadata", "metadata"); metadata.doc != nil {
		f.text("meta_title", metadata, "title")
		f.text("meta_description", metadata, "description")
	}
	address := r.object("addresses", "urls").text("address", "customer")
	if address == "" {
		address = r.text("address", "url")
	}
	if address != "" {
		f["canonical_url"], f["slug"] = address, orNil(slug(address))
	}
}

var productID = regexp.MustCompile(`^p\d+$`)

// slug is the part of a product's address that names it.
func slug(address string) string {
	u, err := url.Parse(address)
	if err != nil || strings.ContainsRune(u.Path, 0) || !utf8.ValidString(u.Path) {
		return ""
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	last := len(parts) - 1
	if last > 0 && productID.MatchString(parts[last]) {
		last--
	}
	return parts[last]
}
