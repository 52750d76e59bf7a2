package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const accountPath = "/admin/account"

// pendingFor is how long a secret that is shown waits for its first code.
const pendingFor = 15 * time.Minute

// secondFactorRoutes switch the operator's own second factor on and off.
func (s *Server) secondFactorRoutes(r chi.Router) {
	r.Get("/account/second-factor", s.handle(s.newSecondFactor))
	r.Post("/account/second-factor", s.handle(s.switchSecondFactorOn))
	r.Get("/account/second-factor/off", s.handle(s.askSecondFactorOff))
	r.Post("/account/second-factor/off", s.handle(s.switchSecondFactorOff))
}

func secondFactorView(f store.SecondFactor, now time.Time, zone *time.Location) templates.SecondFactor {
	v := templates.SecondFactor{On: f.On(), Left: f.Codes}
	if f.Since != nil {
		v.Since = templates.NewMoment(*f.Since, now, zone)
	}
	return v
}

// factorAD binds a sealed secret to whose it is.
func factorAD(operator uuid.UUID) string { return "operator:" + operator.String() + ":totp" }

// pendingAD binds a secret that waits for its first code to who looks at it.
func pendingAD(o Operator) string {
	return "operator:" + o.ID.String() + ":totp:pending:" + o.Session.String()
}

// pendingSecret is a secret that was shown and not confirmed yet. It is with the
// form that shows it, sealed: nothing is kept of what nobody confirms.
type pendingSecret struct {
	Secret string    `json:"secret"`
	Until  time.Time `json:"until"`
}

// GET /admin/account/second-factor: a new secret, which a code of it makes theirs.
func (s *Server) newSecondFactor(w http.ResponseWriter, r *http.Request) error {
	o := operatorOf(r.Context())
	if there, err := s.DB.SecondFactor(r.Context(), o.ID); err != nil || there.On() {
		return alreadyOn(err)
	}
	key, err := newSecret(o.Email)
	if err != nil {
		return err
	}
	return s.secretPage(w, r, http.StatusOK, pendingSecret{Secret: key.Secret(), Until: time.Now().Add(pendingFor)}, "")
}

func alreadyOn(err error) error {
	if err != nil {
		return err
	}
	return fault.New(fault.Conflict, "your second factor is on already: switch it off before you switch on another")
}

func (s *Server) secretPage(w http.ResponseWriter, r *http.Request, status int, p pendingSecret, mistake string) error {
	o := operatorOf(r.Context())
	key, err := secretAgain(o.Email, p.Secret)
	if err != nil {
		return err
	}
	v := templates.NewSecondFactor{Secret: inFours(p.Secret), Error: mistake}
	if v.QR, err = qrPicture(key); err != nil {
		return err
	}
	if v.Pending, err = s.sealText(p, pendingAD(o)); err != nil {
		return err
	}
	return s.render(w, r, status, templates.NewSecondFactorPage(s.frame(r, "Second factor", ""), v))
}

// POST /admin/account/second-factor: switches it on where the code is one of the
// secret that was shown, and shows the recovery codes, this once.
func (s *Server) switchSecondFactorOn(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	o := operatorOf(r.Context())
	var p pendingSecret
	if !s.openText(r.PostFormValue("pending"), pendingAD(o), &p) || time.Now().After(p.Until) {
		return s.back(w, r, accountPath, templates.Notice{
			Kind: templates.Wait, Text: "That secret is too old, so nothing was done: switch the second factor on anew, and remove the old entry from the app.",
		})
	}
	step, ok := codeStep(p.Secret, typedCode(r.PostFormValue("code")), time.Now())
	if !ok {
		return s.secretPage(w, r, http.StatusUnprocessableEntity, p, "This is not the code of this secret. Type the one that the app shows now; if that is refused too, see whether the phone's clock is right.")
	}
	sealed, err := s.Inbox.Keys.Seal([]byte(p.Secret), factorAD(o.ID))
	if err != nil {
		return err
	}
	codes, hashes, err := newRecoveryCodes(o.ID)
	if err != nil {
		return err
	}
	on := store.NewSecondFactor{Sealed: sealed, Step: step, Recovery: hashes}
	if err := s.DB.SwitchOnSecondFactor(r.Context(), o.ID, on, operatorActor(r.Context())); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, templates.RecoveryCodesPage(s.frame(r, "Recovery codes", ""), codes))
}

// GET /admin/account/second-factor/off: asks for a code.
func (s *Server) askSecondFactorOff(w http.ResponseWriter, r *http.Request) error {
	return s.offPage(w, r, http.StatusOK, "")
}

func (s *Server) offPage(w http.ResponseWriter, r *http.Request, status int, mistake string) error {
	return s.render(w, r, status, templates.SecondFactorOffPage(s.frame(r, "Second factor", ""), mistake))
}

// POST /admin/account/second-factor/off: wrong codes are slowed down like wrong
// passwords, so that who finds a console open can't guess one.
func (s *Server) switchSecondFactorOff(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	a, wait, err := s.DB.BeginProof(r.Context(), operatorOf(r.Context()).ID, networkOf(r.Context()))
	switch {
	case err != nil:
		return err
	case wait > 0:
		return s.offPage(w, r, http.StatusTooManyRequests, s.tooMany(w, r, wait))
	case a.Second == nil:
		return fault.New(fault.Conflict, "your second factor is off already")
	}
	shown, ok, err := s.checkCode(a, r.PostFormValue("code"))
	if err == nil && ok {
		ok, err = s.DB.SwitchOffSecondFactor(r.Context(), a, shown, operatorActor(r.Context()))
	}
	switch {
	case err != nil:
		return err
	case !ok:
		s.Log.WarnContext(r.Context(), "a wrong code", "operator", operatorID(a), "address", address(r.Context()))
		return s.offPage(w, r, http.StatusUnprocessableEntity, wrongCode)
	}
	return s.back(w, r, accountPath, templates.Notice{Kind: templates.Well, Text: "The second factor is off: the password alone lets you in."})
}

const wrongCode = "This code is not right, or it was used already. Wait for the next one and type that."

// checkCode tells what a code is that was typed: one of the app, or one that may be
// a recovery code. Whether it was used before only the store knows.
func (s *Server) checkCode(a store.Attempt, typed string) (shown store.SecondStep, ok bool, err error) {
	code := typedCode(typed)
	if len(code) != codeDigits {
		return store.SecondStep{Recovery: recoveryHash(a.Operator, code)}, true, nil
	}
	secret, err := s.Inbox.Keys.Open(a.Second, factorAD(a.Operator))
	if err != nil {
		return shown, false, fmt.Errorf("check a code: no key of SECRET_KEYSET opens the secret: %w", err)
	}
	shown.Step, ok = codeStep(string(secret), code, time.Now())
	return shown, ok, nil
}
