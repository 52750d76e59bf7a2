package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// showOperators answers who may sign in.
func (s *settings) showOperators(w http.ResponseWriter, r *http.Request) error {
	return s.operatorsPage(w, r, http.StatusOK, templates.OperatorForm{Roles: roleOptions(store.RoleViewer)})
}

func (s *settings) operatorsPage(w http.ResponseWriter, r *http.Request, status int, form templates.OperatorForm) error {
	list, err := s.DB.Operators(r.Context())
	if err != nil {
		return err
	}
	v := operatorsView(operatorOf(r.Context()), list, moments(r))
	v.Add = form
	return s.render(w, r, status, templates.OperatorsPage(s.frame(r, "Operators", "settings"), v))
}

// operatorsView is what the list says to me, who is one of them.
func operatorsView(me Operator, list []store.Operator, at func(time.Time) templates.Moment) templates.OperatorsView {
	v := templates.OperatorsView{Tabs: settingsTabs(settingsPath), AddAt: operatorsPath}
	admins := 0
	for _, o := range list {
		if o.Role == store.RoleAdmin {
			admins++
		}
	}
	for _, o := range list {
		row := templates.OperatorRow{
			Email: o.Email, Me: o.ID == me.ID, Role: string(o.Role), Roles: roleOptions(o.Role),
			Since: at(o.CreatedAt), SignedIn: momentOf(at, o.SignedInAt), From: o.Addresses,
			Acts: []templates.ActView{{Action: operatorPath(o.ID, "password"), Label: "New password", Of: "for " + o.Email, Confirm: "ask"}},
		}
		if o.Sessions > 0 {
			row.Places, row.PlacesAt = places(o.Sessions), sessionsHref(o)
		}
		if o.Role == store.RoleAdmin && admins == 1 {
			row.Why = "the last admin stays one"
		} else {
			row.RoleAt = operatorPath(o.ID, "role")
			row.Acts = append(row.Acts, templates.ActView{
				Action: operatorPath(o.ID, "remove"), Label: "Remove", Of: o.Email, Confirm: "ask", ConfirmWord: o.Email, Danger: true,
			})
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func places(n int) string {
	if n == 1 {
		return "1 place"
	}
	return fmt.Sprintf("%d places", n)
}

// addOperator makes an operator and shows their password, once: in this answer.
func (s *settings) addOperator(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	email := typedEmail(r.PostFormValue("email"))
	role, err := typedRole(r)
	if strings.ContainsRune(email, unicode.ReplacementChar) {
		err = fault.New(fault.Invalid, "the e-mail has characters that no address has")
	}
	var made store.Operator
	var text string
	if err == nil {
		made, text, err = s.withPassword(r.Context(), func(hash string) (store.Operator, error) {
			return s.DB.AddOperator(r.Context(), email, hash, role, operatorActor(r.Context()))
		})
	}
	if wrong, ok := errors.AsType[*fault.Error](err); ok && (wrong.Kind == fault.Invalid || wrong.Kind == fault.Conflict) {
		p, _ := answerTo(err)
		return s.operatorsPage(w, r, p.Status, templates.OperatorForm{
			Email: shortened(email), Roles: roleOptions(role), Error: sentence(wrong.Msg) + " Nobody was added.",
		})
	}
	if err != nil {
		return err
	}
	return s.showPassword(w, r, templates.NewPasswordView{
		Title: "The operator is added", Email: made.Email, Password: text, Role: string(made.Role),
		Note: "They sign in with it at once.",
	})
}

// withPassword makes a password, and has act keep its hash.
func (s *settings) withPassword(ctx context.Context, act func(hash string) (store.Operator, error)) (o store.Operator, text string, err error) {
	text = password.Generate()
	turn, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	hash, err := s.hasher.Hash(turn, text)
	if err != nil {
		return o, "", err
	}
	if o, err = act(hash); err != nil {
		return o, "", err
	}
	return o, text, nil
}

func (s *settings) showPassword(w http.ResponseWriter, r *http.Request, v templates.NewPasswordView) error {
	v.Tabs, v.Back = settingsTabs(settingsPath), settingsPath
	w.Header().Set("Cache-Control", "no-store") // whatever else is said of pages: this one is kept nowhere
	return s.render(w, r, http.StatusOK, templates.NewPasswordPage(s.frame(r, "New password", "settings"), v))
}

// changeRole gives an operator another role.
func (s *settings) changeRole(w http.ResponseWriter, r *http.Request) error {
	o, err := s.operatorAt(r)
	if err != nil {
		return err
	}
	if err := parseForm(r); err != nil {
		return err
	}
	role, err := typedRole(r)
	if err != nil {
		return err
	}
	changed, err := s.DB.SetOperatorRole(r.Context(), o.ID, role, operatorActor(r.Context()))
	path := settingsPath
	if err == nil && o.ID == operatorOf(r.Context()).ID && role != store.RoleAdmin {
		path = "/admin" // the settings are no longer theirs to see
	}
	return s.actedAt(w, r, path, nil, err, changed.Email+" is "+string(role)+" from the next request on.")
}

// passwordForm asks before an operator gets another password.
func (s *settings) passwordForm(w http.ResponseWriter, r *http.Request) error {
	o, err := s.operatorAt(r)
	if err != nil {
		return err
	}
	return s.confirm(w, r, "settings", templates.ConfirmView{
		Title: "A new password for " + o.Email, Text: "The password is made here and shown to you once.",
		Facts: []string{
			"The old password opens nothing any more.",
			"They are signed out everywhere at once.",
			"Their passkeys are removed: they let in without a password.",
			"What was tried with wrong passwords is forgotten: they need not wait.",
		},
		Back: settingsPath, Act: templates.ActView{Action: operatorPath(o.ID, "password"), Label: "Make a new password"},
	})
}

// resetPassword gives an operator another password and shows it, once: in this answer.
func (s *settings) resetPassword(w http.ResponseWriter, r *http.Request) error {
	o, err := s.operatorAt(r)
	if err != nil {
		return err
	}
	_, text, err := s.withPassword(r.Context(), func(hash string) (store.Operator, error) {
		return s.DB.ResetPassword(r.Context(), o.Email, hash, operatorActor(r.Context()))
	})
	if err != nil {
		return err
	}
	v := templates.NewPasswordView{
		Title: "The password is changed", Email: o.Email, Password: text,
		Note: "They were signed out everywhere.",
	}
	if o.ID == operatorOf(r.Context()).ID {
		v.Note = "You were signed out everywhere, here too: sign in with it."
	}
	return s.showPassword(w, r, v)
}

// removeForm asks for the operator's e-mail before they are removed.
func (s *settings) removeForm(w http.ResponseWriter, r *http.Request) error {
	o, err := s.operatorAt(r)
	if err != nil {
		return err
	}
	return s.confirm(w, r, "settings", removeView(o, ""))
}

func removeView(o store.Operator, mistake string) templates.ConfirmView {
	return templates.ConfirmView{
		Title: "Remove " + o.Email, Text: "They can't sign in any more.",
		Facts: []string{
			"They are signed out everywhere at once.",
			"What they did stays in the audit.",
			"It can't be undone: adding them again makes a new operator with a new password.",
		},
		Word: o.Email, Error: mistake, Back: settingsPath,
		Act: templates.ActView{Action: operatorPath(o.ID, "remove"), Label: "Remove", Danger: true},
	}
}

func (s *settings) removeOperator(w http.ResponseWriter, r *http.Request) error {
	o, err := s.operatorAt(r)
	if err != nil {
		return err
	}
	if err := parseForm(r); err != nil {
		return err
	}
	if !confirmed(r, o.Email) {
		return s.confirm(w, r, "settings", removeView(o, "That is not the operator's e-mail: nobody was removed."))
	}
	_, err = s.DB.RemoveOperator(r.Context(), o.Email, operatorActor(r.Context()))
	return s.actedAt(w, r, settingsPath, nil, err, o.Email+" is removed and signed out everywhere.")
}
