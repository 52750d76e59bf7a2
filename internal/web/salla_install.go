package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// Installer completes Salla's authorization-code flow: *events.Exchange.
type Installer interface {
	AuthorizeURL(state string) string
	Complete(ctx context.Context, code string) (events.Recorded, error)
}

const (
	installPath = "/salla/install"
	// installLife is how long a merchant may take at Salla.
	installLife = 10 * time.Minute
	// installsPerNetwork is how many flows one network may begin in installLife.
	installsPerNetwork = 30
	// standardGrace is how long a flow that comes back takes at most.
	standardGrace = 25 * time.Second
)

// merchantPolicy is what a page for merchants may load and do: its looks, and
// nothing else.
const merchantPolicy = "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// sallaRoutes are the authorization-code flow. A code is taken only with a state
// that was made here for the browser that brings it, ten minutes ago at most, and
// once. Whoever could have another complete a flow with a code of theirs would
// connect a store of theirs under the other's hands, or the other way round.
//
// Salla may begin the flow itself, with a state of its own. That one proves nothing,
// so its code is left unused: the browser is sent through install, and comes back
// with a state of ours and a new code.
func (s *Server) sallaRoutes(r chi.Router) {
	begun := newThrottle(installsPerNetwork, installLife)
	begun.v6 = 48 // as an office or a server has it
	r.Get(installPath, s.forMerchant(func(w http.ResponseWriter, r *http.Request) error {
		return s.beginInstall(w, r, begun)
	}))
	r.Get("/salla/callback", s.forMerchant(s.endInstall))
}

// forMerchant adapts a handler whose failures are pages for a merchant.
func (s *Server) forMerchant(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.Install == nil {
			s.fail(w, r, noRoute(w, r))
			return
		}
		w.Header().Set("Content-Security-Policy", merchantPolicy)
		err := h(w, r)
		if err == nil || errors.Is(r.Context().Err(), context.Canceled) {
			return
		}
		s.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "route", routeOf(r), "error", err)
		s.showInstall(w, r, installUnavailable)
	}
}

// beginInstall binds a new state to the browser and leads to Salla.
func (s *Server) beginInstall(w http.ResponseWriter, r *http.Request, begun *throttle) error {
	from, _ := r.Context().Value(keyAddress).(netip.Addr)
	if wait := begun.blocked(from, time.Now()); wait > 0 {
		w.Header().Set("Retry-After", seconds(wait))
		s.showInstall(w, r, installLimited)
		return nil
	}
	begun.failed(from, time.Now())
	state := make([]byte, tokenSize)
	if _, err := rand.Read(state); err != nil {
		return fmt.Errorf("make a state: %w", err)
	}
	name := s.installCookie()
	browser, hash, err := newToken(name)
	if err != nil {
		return fmt.Errorf("make a state's browser token: %w", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), events.CommitTimeout)
	defer cancel()
	if err := s.DB.BeginInstall(ctx, stateHash(hex.EncodeToString(state)), hash, installLife); err != nil {
		return err
	}
	s.setInstall(w, browser)
	http.Redirect(w, r, s.Install.AuthorizeURL(hex.EncodeToString(state)), http.StatusSeeOther)
	return nil
}

// endInstall takes what Salla led back with.
func (s *Server) endInstall(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	code, state, refusal := q.Get("code"), q.Get("state"), q.Get("error")
	if code == "" && refusal == "" {
		s.showInstall(w, r, installBare)
		return nil
	}
	// All of it ends within the grace: a process that stops completes what it began.
	whole := standardGrace
	if s.Grace > 0 {
		whole = min(whole, s.Grace)
	}
	whole -= whole / 20 // for the page
	flow, end := context.WithTimeout(r.Context(), whole)
	defer end()
	r = r.WithContext(flow)
	ctx, cancel := context.WithTimeout(flow, min(events.CommitTimeout, whole/5))
	defer cancel()
	browser := tokenHash(r, s.installCookie())
	found, err := s.DB.UseInstall(ctx, stateHash(state), browser)
	if err != nil {
		return err
	}
	if found == store.InstallBound {
		s.setInstall(w, "")
	}
	switch {
	case refusal == "access_denied":
		s.showInstall(w, r, installDeclined)
	case refusal != "":
		s.showInstall(w, r, installBroken)
	case found == store.InstallBound:
		s.completeInstall(w, r, code)
	case found == store.InstallUnknown && browser == nil: // Salla began it
		http.Redirect(w, r, installPath, http.StatusSeeOther)
	case found == store.InstallExpired:
		s.showInstall(w, r, installExpired)
	case found == store.InstallUsed:
		s.showInstall(w, r, installUsed)
	default:
		s.showInstall(w, r, installForeign)
	}
	return nil
}

// completeInstall exchanges the code of a flow that is this browser's.
func (s *Server) completeInstall(w http.ResponseWriter, r *http.Request, code string) {
	rec, err := s.Install.Complete(r.Context(), code)
	if err == nil {
		s.ring(r.Context(), s.Queue.Enqueue, rec.Tasks)
		s.showInstall(w, r, installDone)
		return
	}
	s.Log.ErrorContext(r.Context(), "an installation by code was not completed", "spooled", rec.Spooled, "error", err)
	end := installUnavailable
	switch {
	case rec.Spooled:
		end = installKept
	case errors.Is(err, fault.Forbidden):
		end = installRefused
	}
	s.showInstall(w, r, end)
}

// showInstall answers the page of an end.
func (s *Server) showInstall(w http.ResponseWriter, r *http.Request, end installEnd) {
	status, v := installPage(end)
	v.Assets = s.console.files.page()
	var page bytes.Buffer
	if err := templates.InstallPage(v).Render(context.WithoutCancel(r.Context()), &page); err != nil {
		s.Log.ErrorContext(r.Context(), "the page for a merchant failed", "error", err)
		http.Error(w, v.English.Text+" "+v.English.Todo, status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // the reader has gone: nothing to answer to
}

// stateHash is what is kept of a state. Salla strips the hyphens of a state.
func stateHash(state string) []byte {
	sum := sha256.Sum256([]byte(strings.ReplaceAll(state, "-", "")))
	return sum[:]
}

// installCookie names the cookie that binds a state to the browser.
func (s *Server) installCookie() string {
	if strings.HasPrefix(s.PublicURL, "https:") {
		return "__Secure-wosool-install"
	}
	return "wosool-install"
}

// setInstall hands the browser its token, or takes it back where text is "".
func (s *Server) setInstall(w http.ResponseWriter, text string) {
	name := s.installCookie()
	c := &http.Cookie{
		Name: name, Value: text, Path: "/salla", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(name, "__Secure-"), MaxAge: int(installLife.Seconds()),
	}
	if text == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
