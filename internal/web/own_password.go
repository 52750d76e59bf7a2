package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/templates"
)

// GET /admin/account/password: whoever was given a password makes it their own.
func (in *signIn) askPassword(w http.ResponseWriter, r *http.Request) error {
	return in.passwordPage(w, r, http.StatusOK, "")
}

func (in *signIn) passwordPage(w http.ResponseWriter, r *http.Request, status int, mistake string) error {
	proof, err := in.proofView(r, mistake)
	if err != nil {
		return err
	}
	v := templates.ChangePassword{ProofView: proof, Least: password.MinLength}
	return in.render(w, r, status, templates.ChangePasswordPage(in.frame(r, "Password", ""), v))
}

// POST /admin/account/password: changes it, and signs out everywhere else.
func (in *signIn) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	refuse := func(status int, mistake string) error { return in.passwordPage(w, r, status, mistake) }
	chosen := r.PostFormValue("new")
	if wrong := unfitPassword(r.PostFormValue("password"), chosen, r.PostFormValue("again")); wrong != "" {
		return refuse(http.StatusUnprocessableEntity, wrong+" Nothing was done.")
	}
	a, ok, err := in.prove(w, r, refuse)
	if err != nil || !ok {
		return err
	}
	turn, cancel := context.WithTimeout(r.Context(), in.patience)
	defer cancel()
	hash, err := in.hasher.Hash(turn, chosen)
	if errors.Is(err, fault.Unavailable) {
		return refuse(http.StatusServiceUnavailable, tooBusy(w))
	}
	if err != nil {
		return err
	}
	if err := in.DB.ChangePassword(r.Context(), a, operatorOf(r.Context()).Session, hash, operatorActor(r.Context())); err != nil {
		return err
	}
	return in.back(w, r, accountPath, templates.Notice{
		Kind: templates.Well, Text: "The password is changed. You are signed out everywhere but here; your passkeys stay.",
	})
}

// unfitPassword says why a password that was chosen is not taken; "" where it is.
func unfitPassword(old, chosen, again string) string {
	if err := password.Check(chosen); err != nil {
		return sentence(err.Error())
	}
	switch {
	case chosen != again:
		return "The new password was typed differently the second time."
	case chosen == old:
		return "The new password is the old one."
	}
	return ""
}
