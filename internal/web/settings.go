package web

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// Where the settings are.
const (
	settingsPath     = "/admin/settings"
	operatorsPath    = settingsPath + "/operators"
	allSessionsPath  = settingsPath + "/sessions"
	settingsKeysPath = settingsPath + "/keys"
)

// settings are the pages on which admins say who may do what.
type settings struct {
	*Server
	hasher *password.Hasher
}

// settingsRoutes are the operators and their sessions. Only admins look at them, too.
func (s *Server) settingsRoutes(r chi.Router) {
	set := &settings{Server: s, hasher: s.Passwords}
	if set.hasher == nil {
		set.hasher = NewHasher()
	}
	r.Group(func(r chi.Router) {
		r.Use(s.withOperator, s.needs(store.RoleAdmin), withTimeout(apiTimeout))
		s.keyRoutes(r)
		r.Get("/settings", s.handle(set.showOperators))
		r.Post("/settings/operators", s.handle(set.addOperator))
		r.Post("/settings/operators/{id}/role", s.handle(set.changeRole))
		r.Get("/settings/operators/{id}/password", s.handle(set.passwordForm))
		r.Post("/settings/operators/{id}/password", s.handle(set.resetPassword))
		r.Get("/settings/operators/{id}/remove", s.handle(set.removeForm))
		r.Post("/settings/operators/{id}/remove", s.handle(set.removeOperator))
		r.Post("/settings/operators/{id}/sign-out", s.handle(set.signOutOperator))
		r.Get("/settings/sessions", s.handle(set.showSessions))
		r.Post("/settings/sessions/{id}/revoke", s.handle(set.revoke))
	})
}

// settingsTabs are the pages of the settings; the one at path is shown.
func settingsTabs(path string) []templates.Tab {
	return []templates.Tab{
		{Label: "Operators", Href: settingsPath, On: path == settingsPath},
		{Label: "Sessions", Href: allSessionsPath, On: path == allSessionsPath},
		{Label: "API keys", Href: settingsKeysPath, On: path == settingsKeysPath},
	}
}

// operatorPath is the address of what is done to an operator.
func operatorPath(id uuid.UUID, act string) string {
	return operatorsPath + "/" + id.String() + "/" + act
}

// operatorAt returns the operator that a request's path names.
func (s *Server) operatorAt(r *http.Request) (store.Operator, error) {
	id, err := pathID(r, "operator")
	if err != nil {
		return store.Operator{}, err
	}
	return s.DB.Operator(r.Context(), id)
}

// typedRole reads the role of a form, or returns fault.Invalid.
func typedRole(r *http.Request) (store.Role, error) {
	role := store.Role(r.PostFormValue("role"))
	if !role.Covers(role) {
		return "", fault.New(fault.Invalid, "choose a role: viewer, operator or admin")
	}
	return role, nil
}

// roleOptions are the roles, with one of them chosen.
func roleOptions(chosen store.Role) []templates.Option {
	var list []templates.Option
	for _, role := range store.Roles() {
		list = append(list, templates.Option{Value: string(role), Label: string(role), On: role == chosen})
	}
	return list
}
