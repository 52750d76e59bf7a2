package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// halfwayFor is how long a right password waits for its code.
const halfwayFor = 5 * time.Minute

// halfway is somebody who has typed the right password and not the code yet. It is
// in a cookie, sealed: it opens nothing but the page that asks for the code.
type halfway struct {
	Operator uuid.UUID `json:"operator"`
	Password []byte    `json:"password"` // a digest of the hash: another password ends it
	Until    time.Time `json:"until"`
}

// halfwayCookie is the name of the cookie, which like the session's differs between
// http and https.
func (s *Server) halfwayCookie(r *http.Request) string { return s.cookieName(r) + "-code" }

func (s *Server) halfwayAD(r *http.Request) string { return "sign-in:" + s.halfwayCookie(r) }

func passwordDigest(a store.Attempt) []byte {
	h := sha256.Sum256([]byte(a.Password))
	return h[:]
}

// askCode ends the first half of a sign-in: the password is right, and its attempt
// stays counted until the code is, too.
func (in *signIn) askCode(w http.ResponseWriter, r *http.Request, a store.Attempt, rehashed, next string) error {
	if rehashed != "" {
		var err error
		if a, err = in.DB.Rehash(r.Context(), a, rehashed); err != nil {
			return err
		}
	}
	text, err := in.sealText(halfway{Operator: a.Operator, Password: passwordDigest(a), Until: time.Now().Add(halfwayFor)}, in.halfwayAD(r))
	if err != nil {
		return err
	}
	in.setHalfway(w, r, text)
	http.Redirect(w, r, "/admin/sign-in/code?next="+url.QueryEscape(next), http.StatusSeeOther)
	return nil
}

// setHalfway hands the browser the cookie, or takes it back where text is "".
func (in *signIn) setHalfway(w http.ResponseWriter, r *http.Request, text string) {
	name := in.halfwayCookie(r)
	c := &http.Cookie{
		Name: name, Value: text, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: in.cookieName(r) == secureCookie, MaxAge: int(halfwayFor.Seconds()),
	}
	if text == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// halfwayOf reads who has typed the right password, within the time for the code.
func (in *signIn) halfwayOf(r *http.Request) (h halfway, ok bool) {
	c, err := r.Cookie(in.halfwayCookie(r))
	if err != nil {
		return h, false
	}
	ok = in.openText(c.Value, in.halfwayAD(r), &h)
	return h, ok && time.Now().Before(h.Until)
}

// GET /admin/sign-in/code
func (in *signIn) showCode(w http.ResponseWriter, r *http.Request) error {
	next := nextPath(r.URL.Query().Get("next"))
	if _, ok := in.halfwayOf(r); !ok {
		return in.anew(w, r, next)
	}
	return in.codeForm(w, r, http.StatusOK, templates.SignInCode{Next: next})
}

func (in *signIn) codeForm(w http.ResponseWriter, r *http.Request, status int, v templates.SignInCode) error {
	return in.render(w, r, status, templates.SignInCodePage(in.frame(r, "Second factor", ""), v))
}

// anew leads back to the password: it was typed too long ago, or it is another now.
func (in *signIn) anew(w http.ResponseWriter, r *http.Request, next string) error {
	in.setHalfway(w, r, "")
	http.Redirect(w, r, "/admin/sign-in?late=1&next="+url.QueryEscape(next), http.StatusSeeOther)
	return nil
}

// POST /admin/sign-in/code: begins the session where the code is right. Codes are
// counted under the keys of the passwords, and a right password alone forgets none:
// whoever has stolen one gains no attempts by typing it again.
func (in *signIn) tryCode(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	v := templates.SignInCode{Next: nextPath(r.PostFormValue("next"))}
	h, ok := in.halfwayOf(r)
	if !ok {
		return in.anew(w, r, v.Next)
	}
	if typedCode(r.PostFormValue("code")) == "" {
		v.Error = "Type the code that your app shows."
		return in.codeForm(w, r, http.StatusUnprocessableEntity, v)
	}
	a, wait, err := in.DB.BeginProof(r.Context(), h.Operator, networkOf(r.Context()))
	switch {
	case errors.Is(err, fault.NotFound):
		return in.anew(w, r, v.Next)
	case err != nil:
		return err
	case wait > 0:
		v.Error = in.tooMany(w, r, wait)
		return in.codeForm(w, r, http.StatusTooManyRequests, v)
	case a.Second == nil || subtle.ConstantTimeCompare(passwordDigest(a), h.Password) != 1:
		return in.anew(w, r, v.Next)
	}
	token, ok, err := in.beginWithCode(r, a)
	if err != nil {
		return err
	}
	if !ok {
		if err := in.DB.CodeFailed(r.Context(), a, address(r.Context())); err != nil {
			return err
		}
		in.Log.WarnContext(r.Context(), "sign-in failed: a wrong code", "operator", operatorID(a), "address", address(r.Context()))
		v.Error = wrongCode
		return in.codeForm(w, r, http.StatusUnauthorized, v)
	}
	in.setHalfway(w, r, "")
	return in.begun(w, r, a, token, v.Next)
}

// beginWithCode begins the session of an attempt; ok is false where the code is not right.
func (in *signIn) beginWithCode(r *http.Request, a store.Attempt) (token string, ok bool, err error) {
	shown, ok, err := in.checkCode(a, r.PostFormValue("code"))
	if err != nil || !ok {
		return "", false, err
	}
	token, begun, err := in.newSession(r)
	if err != nil {
		return "", false, err
	}
	ok, err = in.DB.SignInWithCode(r.Context(), a, shown, begun)
	return token, ok, err
}
