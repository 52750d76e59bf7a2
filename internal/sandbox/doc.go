// Package sandbox is Salla, Clerk and Twenty as HTTP servers with state: one
// implementation for tests (httptest), the demo and load. It follows what is
// known of the vendors as strictly as they do, and goes wrong when told to. It
// is not a place to look up how a vendor behaves: where the sources disagree it
// takes the stricter reading, and an option takes the other.
//
// A Server is reached under one address:
//
//	/salla/admin/v2/…        Merchant API           (SALLA_API_URL)
//	/salla-accounts/oauth2/… OAuth, user info       (SALLA_ACCOUNTS_URL)
//	/clerk/v1/…              Clerk's Backend API    (CLERK_API_URL)
//	/clerk/.well-known/jwks.json                    (CLERK_JWKS_URL)
//	/twenty/healthz          Twenty is alive        (TWENTY_URL)
//	/_sandbox/…              the sandbox itself
//
// Stores are made from a seed: the same seed, merchant, spec and day give the
// same documents, in the loose forms that Salla writes: money as numbers and
// strings, dates without zones, {} and [] for nothing, keys that are missing.
// The history of a store ends at midnight (Riyadh) before it is added.
//
// Lists are numbered pages with totals, unless StoreSpec.Lists gives one another
// form: {"lists":{"orders":{"size":15,"short":3},"carts":{"cursor":true,"next":"link"}}}.
// ListForm has them all: cursors, links in every form, per_page ignored, totals left
// out, short pages, what follows the end, other readings of dates, and documents
// that change their shape in the middle.
//
// Webhooks are really delivered, signed, and resent. Store events go to the
// addresses that the app subscribed; they are unsigned until PUT
// /webhooks/{id} sets a strategy. App events go to PublicURL/webhooks/salla,
// protected as Config.Strategy says. Every delivery's scheme and host are
// replaced by Config.DeliverTo.
//
// # The sandbox's own API
//
// JSON in and out, under /_sandbox. Errors are {"error":text}: 404 for what is
// not there, 422 otherwise. It has no protection: serve it to a loopback
// address only.
//
//	GET    /stores                              specs, whether installed, counts
//	POST   /stores                              a StoreSpec; answers its counts, 422 for an unknown form
//	POST   /stores/{merchant}/install           grant, app.installed, app.store.authorize
//	POST   /stores/{merchant}/authorize         another grant, app.store.authorize alone
//	POST   /stores/{merchant}/uninstall         revokes, unsubscribes, app.uninstalled
//	POST   /stores/{merchant}/events            {"event":"app.…","data":{…}}: any app event
//	GET    /stores/{merchant}/source            counts; ?documents=orders adds the exact ids
//	GET    /stores/{merchant}/subscriptions     registered webhooks and their strategy
//	POST   /stores/{merchant}/mutate            {"act":…,"id":…}: see below
//	POST   /tokens/{merchant}/expire            access tokens become too old
//	POST   /tokens/{merchant}/revoke            every grant ends
//	POST   /live                                {"on":true,"per_second":2,"merchants":[…]}
//	GET    /options, POST /options              Options; named ones are changed
//	POST   /deliver-to                          {"url":"http://127.0.0.1:8080"}
//	GET    /faults, POST /faults                rules in force; adds a FaultRule
//	DELETE /faults, DELETE /faults/{id}         ends all, or one
//	GET    /stats                               Stats
//	GET    /private                             Private: what no log may hold
//	GET    /deliveries?merchant=&event=         what was delivered, with every attempt
//	POST   /deliveries/{id}/redeliver           the same bytes once more; answers the status
//	POST   /deliveries/raw                      a RawDelivery; answers the status
//	POST   /settle                              waits until each delivery was tried once
//	GET    /clerk                               users, organizations, memberships, invitations
//	POST   /clerk/users                         {"email":…}: somebody who was there before
//	POST   /clerk/invitations/{id}/accept       the invited person joins
//	POST   /clerk/sessions                      {"user":…,"org":…}: a session token
//
// Acts of mutate, with the events they deliver:
//
//	create_order (times)                 order.created
//	update_order_status (id, status)     order.status.updated, order.updated[, order.cancelled]
//	refund_order (id, full)              order.refunded, order.updated[, order.status.updated]
//	pay_order (id)                       order.payment.updated, order.status.updated, order.updated
//	revise_order (id)                    order.products.updated, order.total.price.updated, order.updated
//	delete_order (id)                    order.deleted
//	create_product (times)               product.created
//	update_product (id)                  product.updated[, product.quantity.low]
//	change_price (id, price)             product.price.updated, product.updated
//	set_product_status (id, status)      product.status.updated, product.updated
//	delete_product (id)                  product.deleted
//	create_customer (times)              customer.created
//	update_customer (id)                 customer.updated
//	delete_customer (id)                 none
//	abandon_cart (times), update_cart    abandoned.cart
//	purchase_cart (id)                   abandoned.cart.status.changed, abandoned.cart.purchased
//	leave_cart, remove_cart (id)         none
package sandbox
