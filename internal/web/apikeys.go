package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// defaultKeyDays is how long a key lasts that nobody chose a time for.
const defaultKeyDays = 90

// keyDays are the times that a key may last; 0: it does not expire.
func keyDays() []int { return []int{7, 30, 90, 365, 0} }

// keyRoutes are the keys of the operator API. They belong to the settings' routes, which
// ask for an admin.
func (s *Server) keyRoutes(r chi.Router) {
	r.Get("/settings/keys", s.handle(s.showKeys))
	r.Post("/settings/keys", s.handle(s.addKey))
	r.Get("/settings/keys/{id}/revoke", s.handle(s.askRevokeKey))
	r.Post("/settings/keys/{id}/revoke", s.handle(s.revokeKey))
}

// GET /admin/settings/keys: the keys, and a form that makes one.
func (s *Server) showKeys(w http.ResponseWriter, r *http.Request) error {
	return s.keysPage(w, r, http.StatusOK, templates.NewKeyForm{Scope: string(store.ScopeRead), Days: defaultKeyDays}, nil)
}

// POST /admin/settings/keys: makes a key. Its token is in this answer only: in no
// address, no cookie and no log, and after this page is left nobody can show it.
func (s *Server) addKey(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	form, given := keyForm(r)
	key, token, err := s.DB.AddAPIKey(r.Context(), given, operatorActor(r.Context()))
	if refused, ok := errors.AsType[*fault.Error](err); ok {
		form.Error = sentence(refused.Msg)
		status := http.StatusUnprocessableEntity
		if errors.Is(err, fault.Conflict) {
			status = http.StatusConflict
		}
		return s.keysPage(w, r, status, form, nil)
	}
	if err != nil {
		return err
	}
	made := &templates.MadeKey{Name: key.Name, Token: token}
	return s.keysPage(w, r, http.StatusCreated, templates.NewKeyForm{Scope: string(store.ScopeRead), Days: defaultKeyDays}, made)
}

// keyForm reads the form. What it can't be is left to the store to refuse.
func keyForm(r *http.Request) (templates.NewKeyForm, store.NewAPIKey) {
	form := templates.NewKeyForm{Name: shortened(r.PostFormValue("name")), Scope: r.PostFormValue("scope"), Days: defaultKeyDays}
	given := store.NewAPIKey{Name: r.PostFormValue("name"), Days: -1}
	switch store.Scope(form.Scope) {
	case store.ScopeRead:
		given.Scopes = []store.Scope{store.ScopeRead}
	case store.ScopeAct:
		given.Scopes = store.Scopes()
	}
	if days, err := strconv.Atoi(r.PostFormValue("days")); err == nil && slices.Contains(keyDays(), days) {
		form.Days, given.Days = days, days
	}
	return form, given
}

func (s *Server) keysPage(w http.ResponseWriter, r *http.Request, status int, form templates.NewKeyForm, made *templates.MadeKey) error {
	keys, err := s.DB.APIKeys(r.Context())
	if err != nil {
		return err
	}
	now, zone := time.Now(), zoneOf(r)
	v := templates.KeysView{Tabs: settingsTabs(settingsKeysPath), Form: form, Made: made, Choices: keyDays(), FromSettings: s.AdminKey != "", Keys: make([]templates.KeyRow, len(keys))}
	for i, k := range keys {
		v.Keys[i] = keyRow(k, now, zone)
	}
	return s.render(w, r, status, templates.KeysPage(s.frame(r, "API keys", "settings"), v))
}

func keyRow(k store.APIKey, now time.Time, zone *time.Location) templates.KeyRow {
	row := templates.KeyRow{
		ID: k.ID.String(), Name: k.Name, Prefix: k.Prefix, Scopes: "read", By: k.CreatedBy, Address: k.LastAddress,
		Made: templates.NewMoment(k.CreatedAt, now, zone), Expired: k.Expired,
	}
	if k.May(store.ScopeAct) {
		row.Scopes = "read and act"
	}
	if k.ExpiresAt != nil {
		row.Expires = templates.NewMoment(*k.ExpiresAt, now, zone)
	}
	if k.LastUsedAt != nil {
		row.Used = templates.NewMoment(*k.LastUsedAt, now, zone)
	}
	return row
}

// GET /admin/settings/keys/{id}/revoke: asks.
func (s *Server) askRevokeKey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "key")
	if err != nil {
		return err
	}
	k, err := s.DB.APIKey(r.Context(), id)
	if err != nil {
		return err
	}
	facts := []string{"Whoever uses it is refused from the next request on.", "It can't be undone: a new key has another token."}
	if k.LastUsedAt == nil {
		facts = append(facts, "It was never used.")
	} else {
		used := templates.NewMoment(*k.LastUsedAt, time.Now(), zoneOf(r))
		facts = append(facts, "It was last used "+used.Exact+", from "+k.LastAddress+".")
	}
	return s.confirm(w, r, "settings", templates.ConfirmView{
		Title: "Revoke the key " + k.Name, Text: "Its token begins with " + k.Prefix + ".", Facts: facts, Back: settingsKeysPath,
		Act: templates.ActView{Action: settingsKeysPath + "/" + k.ID.String() + "/revoke", Label: "Revoke", Danger: true},
	})
}

// POST /admin/settings/keys/{id}/revoke
func (s *Server) revokeKey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "key")
	if err != nil {
		return err
	}
	k, err := s.DB.RevokeAPIKey(r.Context(), id, operatorActor(r.Context()))
	if err != nil {
		return err
	}
	return s.back(w, r, settingsKeysPath, templates.Notice{Kind: templates.Well, Text: "The key " + k.Name + " is revoked: it opens nothing any more."})
}
