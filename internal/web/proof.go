package web

import (
	"errors"
	"net/http"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// proofView is what a form asks for that prove looks at.
func (in *signIn) proofView(r *http.Request, mistake string) (templates.ProofView, error) {
	o := operatorOf(r.Context())
	second, err := in.DB.SecondFactor(r.Context(), o.ID)
	return templates.ProofView{Email: o.Email, Code: second.On(), Error: mistake}, err
}

// prove has somebody who is signed in show again what the sign-in asks for, since a
// console that was left open is not enough. ok tells whether the form shows it; where
// it does not, refuse has answered why. Wrong ones are slowed down like at the sign-in.
func (in *signIn) prove(w http.ResponseWriter, r *http.Request, refuse func(status int, mistake string) error) (a store.Attempt, ok bool, err error) {
	a, wait, err := in.DB.BeginProof(r.Context(), operatorOf(r.Context()).ID, networkOf(r.Context()))
	if err != nil {
		return a, false, err
	}
	if wait > 0 {
		return a, false, refuse(http.StatusTooManyRequests, in.tooMany(w, r, wait))
	}
	ok, err = in.proved(r, a)
	switch {
	case errors.Is(err, fault.Unavailable):
		return a, false, refuse(http.StatusServiceUnavailable, tooBusy(w))
	case err != nil:
		return a, false, err
	case !ok:
		in.Log.WarnContext(r.Context(), "a wrong password or code", "operator", operatorID(a), "address", address(r.Context()))
		return a, false, refuse(http.StatusUnprocessableEntity, "The password or the code is not right, or the code was used already. Nothing was done.")
	}
	return a, true, nil
}

// proved tells whether the form has the password of an attempt's operator and, where
// they have a second factor, a code that is good now, which it takes.
func (in *signIn) proved(r *http.Request, a store.Attempt) (bool, error) {
	_, same, err := in.compare(r.Context(), a, r.PostFormValue("password"))
	if err != nil || !same {
		return false, err
	}
	if a.Second == nil {
		return in.DB.ProveAgain(r.Context(), a, nil)
	}
	shown, ok, err := in.checkCode(a, r.PostFormValue("code"))
	if err != nil || !ok {
		return false, err
	}
	return in.DB.ProveAgain(r.Context(), a, &shown)
}
