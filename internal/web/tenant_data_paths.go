package web

// sourcePath is where in the source's document a column of a record comes from: the
// key, with those above it before dots. "" for what is ours, or made of many things.
// What the mapping does in detail is internal/imports'.
func sourcePath(table, column string) string {
	switch table {
	case "people":
		return map[string]string{
			"salla_customer_id": "id", "first_name": "first_name", "last_name": "last_name", "email": "email",
			"phone": "mobile_code, mobile", "city": "city", "country": "country", "country_code": "country_code",
			"avatar_url": "avatar", "registered_at": "created_at",
		}[column]
	case "products":
		return map[string]string{
			"salla_product_id": "id", "name": "name", "description": "description", "price": "price.amount",
			"compare_price": "regular_price.amount", "currency": "price.currency", "stock_quantity": "quantity", "sku": "sku",
			"barcode": "gtin", "main_image": "main_image", "images": "images", "image_alt": "images.alt", "status": "status",
			"categories": "categories", "brand_id": "brand.id", "weight": "weight", "requires_shipping": "require_shipping",
			"meta_title": "metadata.title", "meta_description": "metadata.description",
			"canonical_url": "urls.customer", "slug": "urls.customer",
		}[column]
	case "orders":
		return map[string]string{
			"order_id": "id", "order_number": "reference_id", "salla_customer_id": "customer.id", "customer": "customer",
			"status": "status.slug", "financial_status": "status.slug, is_pending_payment", "fulfillment_status": "status.slug",
			"currency": "total.currency", "total": "amounts.total.amount", "payment_method": "payment_method", "placed_at": "date",
			"subtotal": "amounts.sub_total.amount", "total_tax": "amounts.tax.amount", "total_discount": "amounts.discounts",
			"total_shipping": "amounts.shipping_cost.amount", "shipping_address": "shipping.address", "fulfillments": "shipments",
			"discount_codes": "amounts.discounts", "line_items": "items",
			"closed_at": "first_complete_at, updated_at", "cancelled_at": "updated_at",
		}[column]
	case "carts":
		return map[string]string{
			"salla_cart_id": "id", "customer_id": "customer.id", "total": "total.amount", "currency": "total.currency",
			"item_count": "items.quantity", "items": "items", "abandoned_at": "created_at", "recovery_status": "status",
		}[column]
	}
	return ""
}
