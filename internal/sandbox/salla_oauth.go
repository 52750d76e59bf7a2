package sandbox

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

const codeLife = 10 * time.Minute

// invalidGrant is the text of every refused code or refresh token.
const invalidGrant = "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client. The OAuth 2.0 Client ID from this request does not match the ID during the initial token issuance."

func (s *Server) accountsRoutes() http.Handler {
	r := chi.NewRouter()
	r.Get("/oauth2/auth", s.authorize)
	r.Post("/oauth2/token", s.token)
	r.Get("/oauth2/user/info", s.userInfo)
	return r
}

// token answers the code and the refresh grant. Their replies differ: the
// lifetime is called expires in one and expires_in in the other.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		oauthError(w, http.StatusBadRequest, "invalid_request", "The request body must be application/x-www-form-urlencoded.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_request", "The request is malformed.")
		return
	}
	form := r.PostForm
	if !s.isClient(form.Get("client_id"), form.Get("client_secret")) {
		oauthError(w, http.StatusUnauthorized, "invalid_client", "Client authentication failed (e.g., unknown client, no client authentication included, or unsupported authentication method).")
		return
	}
	var t tokens
	var ok bool
	lifetime := "expires_in"
	switch form.Get("grant_type") {
	case "authorization_code":
		lifetime = "expires"
		t, ok = s.grants.redeem(form.Get("code"), form.Get("redirect_uri"), s.now(), s.cfg.TokenLife)
	case "refresh_token":
		t, ok = s.grants.exchange(form.Get("refresh_token"), s.now(), s.cfg.TokenLife)
	default:
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server.")
		return
	}
	s.grants.prune(s.now())
	if !ok {
		oauthError(w, http.StatusUnauthorized, "invalid_grant", invalidGrant)
		return
	}
	out := writer{}
	out.obj("")
	out.str("access_token", t.access)
	out.int(lifetime, int64(s.cfg.TokenLife/time.Second)-1)
	if t.refresh != "" {
		out.str("refresh_token", t.refresh)
	}
	out.str("scope", t.scope)
	out.str("token_type", "bearer")
	out.endObj()
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, out.b)
}

func (s *Server) isClient(id, secret string) bool {
	same := subtle.ConstantTimeCompare([]byte(id), []byte(s.cfg.ClientID)) &
		subtle.ConstantTimeCompare([]byte(secret), []byte(s.cfg.ClientSecret))
	return same == 1 && s.cfg.ClientID != ""
}

// authorize agrees at once for one merchant and sends the browser back with a
// code. The merchant is the query's `merchant`, else the one of the Options.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	public, _ := url.Parse(s.cfg.PublicURL)
	if err != nil || public == nil || back.Host == "" || back.Scheme != public.Scheme || back.Host != public.Host {
		oauthError(w, http.StatusBadRequest, "invalid_request", "The 'redirect_uri' parameter does not match any of the OAuth 2.0 Client's pre-registered redirect urls.")
		return
	}
	if q.Get("client_id") != s.cfg.ClientID || s.cfg.ClientID == "" {
		oauthError(w, http.StatusUnauthorized, "invalid_client", "The requested OAuth 2.0 Client does not exist.")
		return
	}
	answer := back.Query()
	if state := sallaState(q.Get("state")); state != "" {
		answer.Set("state", state)
	}
	st, ok := s.consenting(q.Get("merchant"))
	switch {
	case q.Get("response_type") != "code":
		answer.Set("error", "unsupported_response_type")
	case !ok:
		answer.Set("error", "access_denied")
	default:
		s.consent(st, q.Get("redirect_uri"), cmp.Or(q.Get("scope"), s.cfg.Scopes), answer)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// consent adds a store's consent to what the browser is sent back with.
func (s *Server) consent(st *store, redirectURI, scope string, answer url.Values) {
	answer.Set("scope", scope)
	answer.Set("code", s.grants.addCode(authorizationCode{
		merchant: st.spec.Merchant, scope: scope, redirectURI: redirectURI, expires: s.now().Add(codeLife),
	}))
	s.markInstalled(st)
}

// sallaState is a state as Salla gives it back: without its hyphens.
func sallaState(state string) string { return strings.ReplaceAll(state, "-", "") }

// StartInstall begins custom mode in a store's own dashboard: the merchant agrees,
// and Salla sends the browser to redirectURI with a code, and with a state that the
// app has never seen. It returns that address.
func (s *Server) StartInstall(merchant int64, redirectURI string) (string, error) {
	st, ok := s.store(merchant)
	if !ok {
		return "", fmt.Errorf("start an installation: no store %d", merchant)
	}
	back, err := url.Parse(redirectURI)
	if err != nil {
		return "", fmt.Errorf("start an installation: %w", err)
	}
	answer := back.Query()
	answer.Set("state", secretText(32))
	s.consent(st, redirectURI, s.cfg.Scopes, answer)
	back.RawQuery = answer.Encode()
	return back.String(), nil
}

// consenting is the store that agrees.
func (s *Server) consenting(asked string) (*store, bool) {
	merchant, err := strconv.ParseInt(asked, 10, 64)
	if err != nil {
		merchant = s.Options().ConsentMerchant
	}
	if merchant == 0 {
		all := s.Merchants()
		if len(all) == 0 {
			return nil, false
		}
		merchant = all[0]
	}
	return s.store(merchant)
}

// userInfo tells who authorised the app; whether in an envelope is an option.
func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) {
	now := s.now()
	g, ok := s.grants.authorised(bearer(r), now)
	if !ok {
		sallaError(w, http.StatusUnauthorized, "Unauthorized", "The access token is invalid")
		return
	}
	st, ok := s.store(g.merchant)
	if !ok {
		sallaError(w, http.StatusUnauthorized, "Unauthorized", "The User is not exists.")
		return
	}
	out := writer{}
	if s.Options().UserInfoUnwrapped {
		st.renderUser(&out, nil)
	} else {
		out.obj("")
		out.int("status", http.StatusOK)
		out.bool("success", true)
		out.key("data")
		st.renderUser(&out, &g)
		out.endObj()
	}
	writeJSON(w, http.StatusOK, out.b)
}

// renderUser writes the authorising user; with a grant, in the longer form of
// the documentation.
func (st *store) renderUser(w *writer, g *authority) {
	since := st.seed%1000000 + 1600000000
	w.obj("")
	w.int("id", 1600000000+int64(die(st.seed, 141, 90000000)))
	w.str("name", oneOf(st.seed, 142, st.words.owners))
	w.str("email", st.spec.Email)
	if g != nil {
		w.str("mobile", "+966523185260")
		w.str("role", "user")
		w.stamp("created_at", int64(since))
	}
	w.obj("merchant")
	w.int("id", st.spec.Merchant)
	w.str("username", st.domain[strings.LastIndexByte(st.domain, '/')+1:])
	w.str("name", st.spec.Name)
	if g != nil {
		w.str("avatar", maleAvatar)
		w.str("store_location", "21.589481104199123,39.67869125586653")
	}
	w.str("plan", st.spec.Plan)
	w.str("status", "active")
	w.str("domain", st.domain)
	if g != nil {
		w.str("tax_number", "424243241321234")
		w.str("commercial_number", "3552100509")
		w.stamp("created_at", int64(since))
	}
	w.endObj()
	if g != nil {
		w.obj("context")
		w.str("scope", g.scope)
		w.int("exp", g.expires.Unix())
		w.endObj()
	}
	w.endObj()
}
