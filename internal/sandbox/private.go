package sandbox

import (
	"net/http"
	"slices"
	"strconv"
)

// Private is what no log may hold: everything secret that was ever given to the
// app or by it, and what tells who a person is.
type Private struct {
	Secrets []string `json:"secrets"` // tokens and codes, alive or not, keys, and the app's secrets
	Emails  []string `json:"emails"`  // of stores, their customers, and Clerk's users
	Phones  []string `json:"phones"`  // of customers: the digits after the country's
}

// Private tells everything of the kind that there is now. Access tokens that
// have been over for an hour are forgotten.
func (s *Server) Private() Private {
	out := Private{Secrets: s.grants.all()}
	for _, secret := range []string{s.cfg.ClientSecret, s.cfg.WebhookSecret, s.cfg.ClerkKey, s.cfg.ClerkWebhookSecret} {
		if secret != "" {
			out.Secrets = append(out.Secrets, secret)
		}
	}
	for _, m := range s.Merchants() {
		if st, ok := s.store(m); ok {
			emails, phones := st.people()
			out.Emails, out.Phones = append(out.Emails, emails...), append(out.Phones, phones...)
		}
	}
	state := s.ClerkState()
	for _, u := range state.Users {
		out.Emails = append(out.Emails, u.Email)
	}
	for _, i := range state.Invitations {
		out.Emails = append(out.Emails, i.Email)
	}
	for _, list := range []*[]string{&out.Secrets, &out.Emails, &out.Phones} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return out
}

// people gives the addresses and the numbers of a store and its customers.
func (st *store) people() (emails, phones []string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	emails = append(emails, st.spec.Email)
	for _, u := range append(slices.Clone(st.customers.all), st.guest) {
		if u != nil {
			emails, phones = append(emails, u.email), append(phones, strconv.FormatInt(u.mobile, 10))
		}
	}
	return emails, phones
}

// all gives every token and code.
func (g *grants) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]string, 0, len(g.access)+len(g.refresh)+len(g.codes))
	for t := range g.access {
		out = append(out, t)
	}
	for t := range g.refresh {
		out = append(out, t)
	}
	for t := range g.codes {
		out = append(out, t)
	}
	return out
}

func (s *Server) controlPrivate(*http.Request) (any, error) { return s.Private(), nil }
