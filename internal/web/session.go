package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// Operator is the person who is signed in to the console.
type Operator struct {
	ID      uuid.UUID
	Email   string
	Role    store.Role
	Session uuid.UUID

	https bool // how their browser speaks to whoever is nearest to it
}

type operatorKey struct{}

// operatorOf returns who is signed in. Behind withOperator there is always
// somebody; elsewhere it is the zero Operator.
func operatorOf(ctx context.Context) Operator {
	o, _ := ctx.Value(operatorKey{}).(Operator)
	return o
}

// operatorActor is who acts on the console, for the audit.
func operatorActor(ctx context.Context) store.Actor {
	return store.Actor{Name: operatorOf(ctx).Email, Address: address(ctx)}
}

// The cookie of a session. Over https its name makes browsers keep it from other
// hosts, from scripts and from http; a session that was begun over the one is
// nothing over the other.
const (
	secureCookie = "__Host-wosool"
	plainCookie  = "wosool"
)

// tokenSize is the length of a session's token in bytes.
const tokenSize = 32

// withOperator lets only people who are signed in pass. A page that is asked for
// leads to the sign-in and back; an act leads there too, and is told to be undone;
// what a script asks for is refused.
func (s *Server) withOperator(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o, err := s.signedIn(r)
		switch {
		case err == nil:
			ctx := templates.WithRole(context.WithValue(r.Context(), operatorKey{}, o), string(o.Role))
			next.ServeHTTP(w, r.WithContext(ctx))
		case !errors.Is(err, fault.NotFound):
			s.fail(w, r, err)
		case !asksForPage(r):
			http.Error(w, "You are signed out: sign in again at /admin/sign-in", http.StatusUnauthorized)
		case isAct(r):
			http.Redirect(w, r, "/admin/sign-in?undone=1&next="+url.QueryEscape(returnTo(r)), http.StatusSeeOther)
		default:
			http.Redirect(w, r, "/admin/sign-in?next="+url.QueryEscape(returnTo(r)), http.StatusSeeOther)
		}
	})
}

// signedIn returns whose session the request's cookie is, or fault.NotFound.
func (s *Server) signedIn(r *http.Request) (Operator, error) {
	hash := tokenHash(r, s.cookieName(r))
	if hash == nil {
		return Operator{}, fault.New(fault.NotFound, "nobody is signed in")
	}
	found, err := s.DB.UseSession(r.Context(), hash, address(r.Context()))
	if err != nil {
		return Operator{}, err
	}
	return Operator{ID: found.OperatorID, Email: found.Email, Role: found.Role, Session: found.ID, https: s.overHTTPS(r)}, nil
}

// standing is how whoever a request that goes on for long is for stands meanwhile.
type standing int

const (
	asBefore  standing = iota
	otherRole          // they may do more or less than when it began
	signedOut
)

// standingNow tells whether the session of a request that goes on for long has
// ended, or its operator got another role. It does not keep the session from ending.
func (s *Server) standingNow(ctx context.Context) (standing, error) {
	o := operatorOf(ctx)
	role, err := s.DB.SessionRole(ctx, o.Session)
	switch {
	case errors.Is(err, fault.NotFound):
		return signedOut, nil
	case err != nil || role == o.Role:
		return asBefore, err
	}
	return otherRole, nil
}

// tokenHash returns the hash of the token in the named cookie; nil where there is none.
func tokenHash(r *http.Request, name string) []byte {
	c, err := r.Cookie(name)
	if err != nil {
		return nil
	}
	token, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(token) != tokenSize {
		return nil
	}
	return hashOf(name, token)
}

// newToken returns a token for the named cookie and its hash for the database.
func newToken(name string) (text string, hash []byte, err error) {
	token := make([]byte, tokenSize)
	if _, err := rand.Read(token); err != nil {
		return "", nil, err
	}
	return base64.RawURLEncoding.EncodeToString(token), hashOf(name, token), nil
}

// hashOf binds a token to its cookie: one of https opens nothing over http.
func hashOf(name string, token []byte) []byte {
	h := sha256.New()
	h.Write([]byte(name + ":"))
	h.Write(token)
	return h.Sum(nil)
}

// setSession hands the browser its token, or takes it back where text is "".
func (s *Server) setSession(w http.ResponseWriter, r *http.Request, text string) {
	name := s.cookieName(r)
	c := &http.Cookie{
		Name: name, Value: text, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: name == secureCookie, MaxAge: int(store.SessionLength.Seconds()),
	}
	if text == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (s *Server) cookieName(r *http.Request) string {
	if s.overHTTPS(r) {
		return secureCookie
	}
	return plainCookie
}

// overHTTPS tells whether the browser speaks https: to us, to a trusted proxy
// that says so, or, since PUBLIC_URL is https, to whatever stands before us. Only
// who asks this machine by itself, with no proxy between, then speaks http. In
// doubt the cookie is the one that http does not carry.
func (s *Server) overHTTPS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && within(peer.Addr().Unmap().WithZone(""), s.TrustedProxies) {
		proto, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
		if strings.EqualFold(strings.TrimSpace(proto), "https") {
			return true
		}
	}
	u, err := url.Parse(s.PublicURL)
	if err != nil || u.Scheme != "https" {
		return false
	}
	if r.Header.Get("X-Forwarded-For") != "" || strings.EqualFold(r.Host, u.Host) {
		return true
	}
	return !loopbackHost(r.Host)
}

// loopbackHost tells whether a Host header, with or without a port, names the
// machine that the browser runs on.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// asksForPage tells whether a request is a person's, who can be led elsewhere.
func asksForPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "document":
		return true
	case "": // an old browser, or one that speaks http to another machine
		accept := r.Header.Get("Accept")
		return accept == "" || accept == "*/*" || strings.Contains(accept, "text/html")
	}
	return false
}

// isAct tells whether a request is to change something.
func isAct(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// returnTo is where the sign-in leads back to: the page that was asked for, or
// the page of ours that an act was sent from. An act is not done again.
func returnTo(r *http.Request) string {
	if !isAct(r) {
		return nextPath(r.URL.RequestURI())
	}
	from, err := url.Parse(r.Referer())
	if err != nil || !strings.EqualFold(from.Host, r.Host) {
		return "/admin"
	}
	return nextPath(from.RequestURI())
}
