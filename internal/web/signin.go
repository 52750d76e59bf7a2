package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const (
	hashesAtOnce = 2               // passwords hashed at the same time: each takes its cost's memory
	hashWait     = 5 * time.Second // how long a sign-in waits for its turn
	agentLength  = 200             // what is kept of a browser's name, in bytes
)

// NewHasher returns the hasher of operators' passwords for one process.
func NewHasher() *password.Hasher { return password.NewHasher(password.Standard(), hashesAtOnce) }

// accountRoutes are sign-in, sign-out and the operator's own account. The first
// two need nobody who is signed in.
func (s *Server) accountRoutes(r chi.Router) {
	in := &signIn{Server: s, hasher: s.Passwords, patience: hashWait}
	if in.hasher == nil {
		in.hasher = NewHasher()
	}
	r.Group(func(r chi.Router) {
		r.Use(withTimeout(apiTimeout))
		r.Get("/sign-in", s.handle(in.show))
		r.Post("/sign-in", s.handle(in.try))
		r.Get("/sign-in/code", s.handle(in.showCode))
		r.Post("/sign-in/code", s.handle(in.tryCode))
		r.Get("/sign-in/passkey", s.handle(in.askPasskey))
		r.Post("/sign-in/passkey", s.handle(in.tryPasskey))
		r.Post("/sign-out", s.handle(s.signOut))
		r.Group(func(r chi.Router) {
			r.Use(s.withOperator)
			r.Get("/account", s.handle(s.showAccount))
			r.Post("/account/sessions/{id}/revoke", s.handle(s.revokeSession))
			r.Post("/account/sessions/revoke-others", s.handle(s.revokeOthers))
			s.secondFactorRoutes(r)
			in.passkeyRoutes(r)
			r.Get("/account/password", in.handle(in.askPassword))
			r.Post("/account/password", in.handle(in.changePassword))
		})
	})
}

// signIn is the door of the console.
type signIn struct {
	*Server
	hasher   *password.Hasher
	patience time.Duration // how long one waits for its turn
}

// show answers the form, or leads on who is signed in already.
func (in *signIn) show(w http.ResponseWriter, r *http.Request) error {
	next := nextPath(r.URL.Query().Get("next"))
	_, err := in.signedIn(r)
	switch {
	case err == nil:
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	case !errors.Is(err, fault.NotFound):
		return err
	}
	v := templates.SignIn{Next: next}
	if r.URL.Query().Get("undone") == "1" {
		v.Error = "You were signed out, so nothing was done. Sign in and do it again."
	}
	if r.URL.Query().Get("late") == "1" {
		v.Error = "The code was not typed within five minutes. Sign in again."
	}
	return in.form(w, r, http.StatusOK, v)
}

func (in *signIn) form(w http.ResponseWriter, r *http.Request, status int, v templates.SignIn) error {
	var err error
	if v.Passkey, err = in.passkeyOffered(r); err != nil {
		return err
	}
	return in.render(w, r, status, templates.SignInPage(in.frame(r, "Sign in", ""), v))
}

// try signs in. What it costs, and what it answers, is the same whether nobody
// has the e-mail or the password is another.
func (in *signIn) try(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	email, text := typedEmail(r.PostFormValue("email")), r.PostFormValue("password")
	v := templates.SignIn{Email: shortened(email), Next: nextPath(r.PostFormValue("next"))}
	if email == "" || text == "" {
		v.Error = "Type your e-mail and your password."
		return in.form(w, r, http.StatusUnprocessableEntity, v)
	}
	a, wait, err := in.DB.BeginSignIn(r.Context(), email, networkOf(r.Context()))
	if err != nil {
		return err
	}
	if wait > 0 {
		v.Error = in.tooMany(w, r, wait)
		return in.form(w, r, http.StatusTooManyRequests, v)
	}
	rehashed, same, err := in.compare(r.Context(), a, text)
	if errors.Is(err, fault.Unavailable) {
		v.Error = tooBusy(w)
		return in.form(w, r, http.StatusServiceUnavailable, v)
	}
	if err != nil {
		return err
	}
	if !same {
		if err := in.DB.SignInFailed(r.Context(), a, address(r.Context())); err != nil {
			return err
		}
		in.Log.WarnContext(r.Context(), "sign-in failed", "operator", operatorID(a), "address", address(r.Context()))
		v.Error = "No operator has this e-mail and this password."
		return in.form(w, r, http.StatusUnauthorized, v)
	}
	if a.Second != nil {
		return in.askCode(w, r, a, rehashed, v.Next)
	}
	return in.begin(w, r, a, rehashed, v.Next)
}

// tooMany says that an attempt is not made, and when it may be.
func (s *Server) tooMany(w http.ResponseWriter, r *http.Request, wait time.Duration) string {
	s.Log.WarnContext(r.Context(), "sign-in refused: too many failed", "address", address(r.Context()))
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return fmt.Sprintf("Too many attempts failed. Try again in %s.", inWords(wait))
}

// tooBusy says that no password can be looked at now.
func tooBusy(w http.ResponseWriter) string {
	w.Header().Set("Retry-After", "5")
	return "Too many people are signing in at this moment. Try again in a few seconds."
}

// compare tells whether the password is the operator's; rehashed is a hash of
// today's cost where the one that is kept has another.
func (in *signIn) compare(ctx context.Context, a store.Attempt, text string) (rehashed string, same bool, err error) {
	turn, cancel := context.WithTimeout(ctx, in.patience)
	defer cancel()
	hash := a.Password
	if a.Operator == uuid.Nil {
		hash = in.hasher.Nobody()
	}
	same, stale, err := in.hasher.Compare(turn, hash, text)
	if err != nil || !same || a.Operator == uuid.Nil {
		return "", false, err
	}
	if stale {
		if rehashed, err = in.hasher.Hash(turn, text); err != nil {
			in.Log.WarnContext(ctx, "the password keeps its old hash until the next sign-in", "error", err)
			return "", true, nil
		}
	}
	return rehashed, true, nil
}

// begin begins a session with a token of its own, and leads to next.
func (in *signIn) begin(w http.ResponseWriter, r *http.Request, a store.Attempt, rehashed, next string) error {
	token, begun, err := in.newSession(r)
	if err != nil {
		return err
	}
	if err := in.DB.SignIn(r.Context(), a, rehashed, begun); err != nil {
		return err
	}
	return in.begun(w, r, a, token, next)
}

// newSession is a session for the browser that asks, and its token.
func (in *signIn) newSession(r *http.Request) (token string, begun store.NewSession, err error) {
	token, hash, err := newToken(in.cookieName(r))
	if err != nil {
		return "", store.NewSession{}, fmt.Errorf("make a session's token: %w", err)
	}
	return token, store.NewSession{
		TokenHash: hash, Replaces: tokenHash(r, in.cookieName(r)),
		Address: address(r.Context()), Agent: agent(r),
	}, nil
}

// begun hands the browser the token of the session that has begun.
func (in *signIn) begun(w http.ResponseWriter, r *http.Request, a store.Attempt, token, next string) error {
	in.Log.InfoContext(r.Context(), "signed in", "operator", operatorID(a), "address", address(r.Context()))
	in.setSession(w, r, token)
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// signOut ends the session, if there is one, and leads to the sign-in.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	o, err := s.signedIn(r)
	if err == nil {
		ctx := context.WithValue(r.Context(), operatorKey{}, o)
		err = s.DB.EndSession(ctx, o.ID, o.Session, "operator.sign_out", operatorActor(ctx))
	}
	if err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	s.setSession(w, r, "")
	http.Redirect(w, r, "/admin/sign-in", http.StatusSeeOther)
	return nil
}

// nextPath is where a sign-in leads: a page of the console, whatever was asked for.
func nextPath(text string) string {
	local := localPath(text)
	u, err := url.Parse(local)
	if err != nil {
		return "/admin"
	}
	switch clean := path.Clean(u.Path); {
	case clean != "/admin" && !strings.HasPrefix(clean, "/admin/"),
		clean == "/admin/sign-in", strings.HasPrefix(clean, "/admin/sign-in/"), clean == "/admin/sign-out":
		return "/admin"
	}
	return local
}

// typedEmail is an e-mail as it was typed. What no database can hold becomes an
// e-mail that nobody has, so that it is slowed down and answered like any other.
func typedEmail(text string) string {
	const nobodys = "\uFFFD"
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, nobodys), "\x00", nobodys))
}

// parseForm reads the fields of a form that was sent.
func parseForm(r *http.Request) error {
	err := r.ParseForm()
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &problem{Status: http.StatusRequestEntityTooLarge, Code: codeTooLarge, Message: "the form is too large"}
	}
	if err != nil {
		return malformed("", "the form cannot be read")
	}
	return nil
}

// networkOf is what attempts to sign in from one place have in common.
func networkOf(ctx context.Context) string {
	a, _ := ctx.Value(keyAddress).(netip.Addr)
	if !a.IsValid() {
		return ""
	}
	return network(a, 64).String()
}

// agent is what the browser calls itself, fit to be kept and shown.
func agent(r *http.Request) string {
	return shortened(r.UserAgent())
}

// shortened is text from outside in a bounded, printable form.
func shortened(text string) string {
	text = strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, text)
	if len(text) > agentLength {
		text = strings.ToValidUTF8(text[:agentLength], "")
	}
	return text
}

// inWords says how long to wait, rounded up: 40 s, 2 min.
func inWords(d time.Duration) string {
	if d <= time.Minute {
		return fmt.Sprintf("%d s", int(math.Ceil(d.Seconds())))
	}
	return fmt.Sprintf("%d min", int(math.Ceil(d.Minutes())))
}

func operatorID(a store.Attempt) string {
	if a.Operator == uuid.Nil {
		return "nobody"
	}
	return a.Operator.String()
}
