package sandbox

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

// call is one authorised request to the Merchant API.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	st   *store
	opts Options
	out  []byte // the answer, written once the store is let go
}

func (s *Server) sallaRoutes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { sallaNotFound(w, r) })
	r.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		sallaError(w, http.StatusMethodNotAllowed, "method_not_allowed", "The method is not allowed for this URL")
	})

	r.Get("/store/info", s.merchant("", s.storeInfo))
	r.Get("/settings", s.merchant("store-settings.read", s.settings))

	r.Get("/products", s.merchant("products.read", s.listProducts))
	r.Get("/products/{id}", s.merchant("products.read", s.showProduct))

	r.Get("/orders", s.merchant("orders.read", s.listOrders))
	r.Get("/orders/items", s.merchant("orders.read", s.listOrderItems))
	r.Get("/orders/{id}", s.merchant("orders.read", s.showOrder))

	r.Get("/customers", s.merchant("customers.read", s.listCustomers))
	r.Get("/customers/{id}", s.merchant("customers.read", s.showCustomer))

	r.Get("/carts/abandoned", s.merchant("carts.read", s.listCarts))
	r.Get("/carts/abandoned/{id}", s.merchant("carts.read", s.showCart))

	r.Get("/webhooks", s.merchant("webhooks.read", s.listWebhooks))
	r.Get("/webhooks/events", s.merchant("webhooks.read", s.listWebhookEvents))
	r.Post("/webhooks/subscribe", s.merchant("webhooks.read_write", s.subscribe))
	r.Put("/webhooks/{id}", s.merchant("webhooks.read_write", s.updateWebhook))
	r.Delete("/webhooks/unsubscribe", s.merchant("webhooks.read_write", s.unsubscribe))
	return r
}

// merchant admits a request whose token is alive, has the scope and is within
// the store's limit, in that order. An empty scope asks for none.
func (s *Server) merchant(scope string, next func(*call)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g, ok := s.grants.authorised(bearer(r), s.now())
		if !ok {
			sallaError(w, http.StatusUnauthorized, "Unauthorized", "The access token is invalid")
			return
		}
		st, ok := s.store(g.merchant)
		if !ok {
			sallaError(w, http.StatusUnauthorized, "Unauthorized", "The User is not exists.")
			return
		}
		if !s.admit(w, r, st) {
			return
		}
		if scope != "" && !g.allows(scope) {
			sallaError(w, http.StatusUnauthorized, "Unauthorized",
				"The access token should have access to one of those scopes: "+scope)
			return
		}
		c := &call{w: w, r: r, st: st, opts: s.Options()}
		next(c)
		if c.out != nil {
			writeJSON(w, http.StatusOK, c.out)
		}
	}
}

func bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// pathID is the number at the end of the path, or 0.
func (c *call) pathID() int64 {
	id, err := strconv.ParseInt(chi.URLParam(c.r, "id"), 10, 64)
	if err != nil {
		return 0
	}
	return id
}

func (c *call) notFound() { sallaNotFound(c.w, c.r) }

// sendOne answers one document in Salla's envelope.
func (c *call) sendOne(render func(w *writer)) {
	out := writer{b: make([]byte, 0, 8<<10)}
	out.obj("")
	out.int("status", http.StatusOK)
	out.bool("success", true)
	out.key("data")
	render(&out)
	out.endObj()
	c.out = out.b
}
