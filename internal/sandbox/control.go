package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"
)

// controlRoutes is the sandbox's own API: the Go methods, over HTTP.
func (s *Server) controlRoutes() http.Handler {
	r := chi.NewRouter()
	r.Get("/stores", s.control(s.controlStores))
	r.Post("/stores", s.control(s.controlAddStore))
	r.Post("/stores/{merchant}/install", s.control(s.controlInstall))
	r.Post("/stores/{merchant}/authorize", s.control(s.controlAuthorize))
	r.Post("/stores/{merchant}/uninstall", s.control(s.controlUninstall))
	r.Post("/stores/{merchant}/events", s.control(s.controlAppEvent))
	r.Get("/stores/{merchant}/source", s.control(s.controlSource))
	r.Get("/stores/{merchant}/subscriptions", s.control(s.controlSubscriptions))
	r.Post("/stores/{merchant}/mutate", s.control(s.controlMutate))
	r.Post("/tokens/{merchant}/expire", s.control(s.controlExpire))
	r.Post("/tokens/{merchant}/revoke", s.control(s.controlRevoke))

	r.Post("/live", s.control(s.controlLive))
	r.Get("/options", s.control(func(*http.Request) (any, error) { return s.Options(), nil }))
	r.Post("/options", s.control(s.controlOptions))
	r.Post("/deliver-to", s.control(s.controlDeliverTo))

	r.Get("/faults", s.control(func(*http.Request) (any, error) { return s.Faults(), nil }))
	r.Post("/faults", s.control(s.controlFault))
	r.Delete("/faults", s.control(func(*http.Request) (any, error) { s.ClearFaults(); return done, nil }))
	r.Delete("/faults/{id}", s.control(s.controlClearFault))

	r.Get("/stats", s.control(func(*http.Request) (any, error) { return s.Stats(), nil }))
	r.Get("/private", s.control(s.controlPrivate))
	r.Get("/deliveries", s.control(s.controlDeliveries))
	r.Post("/deliveries/{id}/redeliver", s.control(s.controlRedeliver))
	r.Post("/deliveries/raw", s.control(s.controlRaw))
	r.Post("/settle", s.control(func(r *http.Request) (any, error) { return done, s.Settle(r.Context()) }))

	r.Get("/clerk", s.control(func(*http.Request) (any, error) { return s.ClerkState(), nil }))
	r.Post("/clerk/users", s.control(s.controlClerkUser))
	r.Post("/clerk/invitations/{id}/accept", s.control(s.controlAccept))
	r.Post("/clerk/sessions", s.control(s.controlSession))
	return r
}

// done is the answer of an act that has nothing to tell.
var done = map[string]bool{"ok": true}

// errMissing is answered 404, other errors 422.
var errMissing = errors.New("not found")

// control answers an act's result, or its error in words.
func (s *Server) control(act func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 8<<20)
		v, err := act(r)
		status := http.StatusOK
		if err != nil {
			status = http.StatusUnprocessableEntity
			if errors.Is(err, errMissing) {
				status = http.StatusNotFound
			}
			v = map[string]string{"error": err.Error()}
		}
		body, err := json.Marshal(v)
		if err != nil {
			status, body = http.StatusInternalServerError, []byte(`{"error":"cannot be written as JSON"}`)
		}
		writeJSON(w, status, body)
	}
}

// read decodes a body, which may be empty, and refuses unknown fields.
func read(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

func pathNumber(r *http.Request, name string) (int64, error) {
	n, err := strconv.ParseInt(chi.URLParam(r, name), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, errMissing)
	}
	return n, nil
}

// pathMerchant is the path's merchant, who has a store.
func (s *Server) pathMerchant(r *http.Request) (int64, error) {
	m, err := pathNumber(r, "merchant")
	if err != nil {
		return 0, err
	}
	if _, ok := s.store(m); !ok {
		return 0, fmt.Errorf("store %d: %w", m, errMissing)
	}
	return m, nil
}

func (s *Server) controlStores(*http.Request) (any, error) {
	type shown struct {
		StoreSpec

		Installed bool   `json:"installed"`
		Source    Counts `json:"source"`
	}
	out := []shown{}
	for _, m := range s.Merchants() {
		st, ok := s.store(m)
		if !ok {
			continue
		}
		st.mu.Lock()
		on := st.installed != 0
		st.mu.Unlock()
		out = append(out, shown{st.spec, on, s.Source(m)})
	}
	return out, nil
}

func (s *Server) controlAddStore(r *http.Request) (any, error) {
	var spec StoreSpec
	if err := read(r, &spec); err != nil {
		return nil, err
	}
	if spec.Merchant <= 0 {
		return nil, errors.New("merchant must be above 0")
	}
	if min(spec.Products, spec.Orders, spec.Customers, spec.Carts) < 0 || max(spec.Products, spec.Orders, spec.Customers, spec.Carts) > 1_000_000 {
		return nil, errors.New("a store has between 0 and 1000000 of each record")
	}
	for list, form := range spec.Lists {
		if err := form.check(list); err != nil {
			return nil, err
		}
	}
	s.AddStore(spec)
	return s.Source(spec.Merchant), nil
}

func (s *Server) controlInstall(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	return done, s.Install(r.Context(), m)
}

func (s *Server) controlAuthorize(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	return done, s.Authorize(r.Context(), m)
}

func (s *Server) controlUninstall(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	return done, s.Uninstall(r.Context(), m)
}

func (s *Server) controlAppEvent(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if len(in.Data) == 0 {
		in.Data = json.RawMessage("{}")
	}
	return done, s.SendAppEvent(r.Context(), m, in.Event, in.Data)
}

// controlSource answers the counts, and with documents=LIST also the ids.
func (s *Server) controlSource(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	out := struct {
		Counts

		IDs []int64 `json:"ids,omitempty"`
	}{Counts: s.Source(m)}
	if list := r.URL.Query().Get("documents"); list != "" {
		out.IDs = s.SourceIDs(m, list)
	}
	return out, nil
}

func (s *Server) controlSubscriptions(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	return s.Subscriptions(m), nil
}

func (s *Server) controlExpire(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	return map[string]int{"expired": s.ExpireTokens(m)}, nil
}

func (s *Server) controlRevoke(r *http.Request) (any, error) {
	m, err := s.pathMerchant(r)
	if err != nil {
		return nil, err
	}
	s.RevokeTokens(m)
	return done, nil
}

func (s *Server) controlLive(r *http.Request) (any, error) {
	var in struct {
		LiveOptions

		On bool `json:"on"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if !in.On {
		s.startLive(nil)
		return done, nil
	}
	s.startLive(&in.LiveOptions)
	return done, nil
}

// controlOptions changes the options that are named and leaves the others.
func (s *Server) controlOptions(r *http.Request) (any, error) {
	o := s.Options()
	if err := read(r, &o); err != nil {
		return nil, err
	}
	s.SetOptions(o)
	return o, nil
}

func (s *Server) controlDeliverTo(r *http.Request) (any, error) {
	var in struct {
		URL string `json:"url"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	s.SetDeliverTo(in.URL)
	return done, nil
}

func (s *Server) controlFault(r *http.Request) (any, error) {
	var rule FaultRule
	if err := json.NewDecoder(r.Body).Decode(&rule); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	id, err := s.Fault(rule)
	return map[string]int64{"id": id}, err
}

func (s *Server) controlClearFault(r *http.Request) (any, error) {
	id, err := pathNumber(r, "id")
	if err != nil {
		return nil, err
	}
	if !s.ClearFault(id) {
		return nil, fmt.Errorf("fault %d: %w", id, errMissing)
	}
	return done, nil
}

// controlDeliveries answers the log, narrowed by merchant and event.
func (s *Server) controlDeliveries(r *http.Request) (any, error) {
	q := r.URL.Query()
	out := []Delivery{}
	for _, d := range s.Deliveries() {
		if m := q.Get("merchant"); m != "" && !sameID(m, d.Merchant) {
			continue
		}
		if e := q.Get("event"); e != "" && e != d.Event {
			continue
		}
		out = append(out, d)
	}
	return out, nil
}

func (s *Server) controlRedeliver(r *http.Request) (any, error) {
	id, err := pathNumber(r, "id")
	if err != nil {
		return nil, err
	}
	status, err := s.Redeliver(r.Context(), id)
	return map[string]int{"status": status}, err
}

func (s *Server) controlRaw(r *http.Request) (any, error) {
	var in RawDelivery
	if err := read(r, &in); err != nil {
		return nil, err
	}
	status, err := s.SendRaw(r.Context(), in)
	return map[string]int{"status": status}, err
}

func (s *Server) controlClerkUser(r *http.Request) (any, error) {
	var in struct {
		Email string `json:"email"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	id, err := s.PreexistingUser(in.Email)
	return map[string]string{"id": id}, err
}

func (s *Server) controlAccept(r *http.Request) (any, error) {
	return done, s.AcceptInvitation(chi.URLParam(r, "id"))
}

func (s *Server) controlSession(r *http.Request) (any, error) {
	var in struct {
		User string `json:"user"`
		Org  string `json:"org"`
	}
	if err := read(r, &in); err != nil {
		return nil, err
	}
	token, err := s.SessionToken(in.User, in.Org)
	return map[string]string{"token": token}, err
}
