package web

import (
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/passkey"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// askedAD is what the questions of the sign-in are sealed for.
const askedAD = "sign-in:passkey"

// passkeyOffered tells whether the sign-in offers passkeys: there is one, and they
// work on this page.
func (s *Server) passkeyOffered(r *http.Request) (bool, error) {
	if !s.Passkeys.Serves(r.Host) {
		return false, nil
	}
	return s.DB.AnyPasskey(r.Context())
}

// GET /admin/sign-in/passkey: a question for the script. Nothing is kept of it: it
// comes back with the answer, sealed, and the answer is good once.
func (in *signIn) askPasskey(w http.ResponseWriter, r *http.Request) error {
	party, err := in.party(r)
	if err != nil {
		return err
	}
	offer, err := party.Ask()
	if err != nil {
		return err
	}
	pending, err := in.sealText(offer.Ceremony, askedAD)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusOK, map[string]any{"options": offer.Options, "pending": pending})
}

// POST /admin/sign-in/passkey: begins a session where a passkey has answered. It is
// password and second factor in one: the device has asked for a finger, a face or a PIN.
func (in *signIn) tryPasskey(w http.ResponseWriter, r *http.Request) error {
	party, err := in.party(r)
	if err != nil {
		return err
	}
	if err := parseForm(r); err != nil {
		return err
	}
	v := templates.SignIn{Next: nextPath(r.PostFormValue("next"))}
	var asked passkey.Ceremony
	if !in.openText(r.PostFormValue("pending"), askedAD, &asked) {
		v.Error = "The passkey was not taken: its answer is not one to this page's question."
		return in.form(w, r, http.StatusUnprocessableEntity, v)
	}
	answer, err := passkey.ReadAnswer(r.PostFormValue("credential"))
	if err != nil {
		return in.passkeyFailed(w, r, store.Attempt{}, v, err)
	}
	a, wait, err := in.DB.BeginProof(r.Context(), answer.Operator, networkOf(r.Context()))
	switch {
	case errors.Is(err, fault.NotFound):
		return in.passkeyFailed(w, r, a, v, err)
	case err != nil:
		return err
	case wait > 0:
		v.Error = in.tooMany(w, r, wait)
		return in.form(w, r, http.StatusTooManyRequests, v)
	}
	token, err := in.beginWithPasskey(r, party, a, answer, asked)
	if errors.Is(err, fault.NotFound) || errors.Is(err, fault.Invalid) {
		return in.passkeyFailed(w, r, a, v, err)
	}
	if err != nil {
		return err
	}
	return in.begun(w, r, a, token, v.Next)
}

// passkeyFailed says that nobody is signed in, and notes it where the attempt was
// counted: what anybody can send without end fills no audit.
func (in *signIn) passkeyFailed(w http.ResponseWriter, r *http.Request, a store.Attempt, v templates.SignIn, cause error) error {
	if a.Operator != uuid.Nil {
		if err := in.DB.PasskeyFailed(r.Context(), a, address(r.Context())); err != nil {
			return err
		}
	}
	in.Log.WarnContext(r.Context(), "sign-in failed: a passkey", "operator", operatorID(a), "address", address(r.Context()), "error", cause)
	v.Error = "This passkey is not known here: it was removed, or it is another console's. Sign in with your password."
	if refused, ok := errors.AsType[*passkey.Refused](cause); ok {
		v.Error = passkeyRefused(refused)
	}
	return in.form(w, r, http.StatusUnauthorized, v)
}

// beginWithPasskey begins the session of an attempt whose passkey has answered.
func (in *signIn) beginWithPasskey(r *http.Request, party *passkey.Party, a store.Attempt, answer passkey.Answer, asked passkey.Ceremony) (token string, err error) {
	p, err := in.DB.PasskeyByCredential(r.Context(), answer.ID)
	if err != nil {
		return "", err
	}
	kept, err := in.openPasskey(p)
	if err != nil {
		return "", err
	}
	kept, err = party.Check(answer, asked, kept)
	if err != nil {
		return "", err
	}
	used := store.UsedPasskey{ID: p.ID, Until: asked.Until()}
	if used.Sealed, err = in.sealDoc(kept, passkeyAD(p.ID)); err != nil {
		return "", err
	}
	token, begun, err := in.newSession(r)
	if err != nil {
		return "", err
	}
	ok, err := in.DB.SignInWithPasskey(r.Context(), a, used, begun)
	if err == nil && !ok {
		err = &passkey.Refused{Why: "its answer was used already"}
	}
	return token, err
}
