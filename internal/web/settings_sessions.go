package web

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// sessionsHref is the address of the list of an operator's sessions.
func sessionsHref(o store.Operator) string {
	return listHref(allSessionsPath, nil, "operator", o.ID.String())
}

// showSessions answers where everybody, or one operator, is signed in.
func (s *settings) showSessions(w http.ResponseWriter, r *http.Request) error {
	k, err := readKeyset(r)
	if err != nil {
		return err
	}
	f := store.SessionFilter{Limit: pageSize, Before: k.Cursor}
	if k.Newer {
		f.Before, f.After = uuid.Nil, k.Cursor
	}
	v := templates.SessionsView{Tabs: settingsTabs(allSessionsPath), Empty: templates.EmptyView{Title: "Nobody is signed in"}}
	filters := url.Values{}
	if given := r.URL.Query().Get("operator"); given != "" {
		if f.Operator, err = uuid.Parse(given); err != nil {
			return malformed("operator", "operator must be the id of an operator")
		}
		o, err := s.DB.Operator(r.Context(), f.Operator)
		if err != nil {
			return err
		}
		filters.Set("operator", f.Operator.String())
		v.Scope = []templates.Chip{{Label: o.Email + " ✕", Href: allSessionsPath, On: true}}
		v.Empty = templates.EmptyView{Title: o.Email + " is signed in nowhere", Href: allSessionsPath, Link: "All sessions"}
		if o.Sessions > 0 {
			v.EndAll = &templates.ActView{Action: operatorPath(o.ID, "sign-out"), Label: "End all sessions of " + o.Email, Danger: true}
		}
	}
	list, more, err := s.DB.AllSessions(r.Context(), f)
	if err != nil {
		return err
	}
	if k.toTop(more) {
		http.Redirect(w, r, listHref(allSessionsPath, filters, "", ""), http.StatusSeeOther)
		return nil
	}
	v.Rows = sessionLines(r, list)
	if n := len(list); n > 0 {
		v.Pager = k.pager(allSessionsPath, filters, list[0].ID, list[n-1].ID, more)
	}
	return s.render(w, r, http.StatusOK, templates.AllSessionsPage(s.frame(r, "Sessions", "settings"), v))
}

func sessionLines(r *http.Request, list []store.Session) []templates.SessionLine {
	at, me := moments(r), operatorOf(r.Context())
	lines := make([]templates.SessionLine, len(list))
	for i, one := range list {
		seen := at(one.SeenAt)
		lines[i] = templates.SessionLine{
			SessionRow: templates.SessionRow{
				ID: one.ID.String(), Address: one.Address, Browser: browserOf(one.Agent), Agent: one.Agent,
				Since: at(one.CreatedAt), Seen: seen, Current: one.ID == me.Session,
			},
			Email: one.Email, Role: string(one.Role), Href: sessionsHref(store.Operator{ID: one.OperatorID}),
			End: templates.ActView{
				Action: allSessionsPath + "/" + one.ID.String() + "/revoke", Label: "End",
				Of: "session of " + one.Email + " from " + one.Address + ", seen " + seen.Exact,
			},
		}
	}
	return lines
}

// revoke ends one session of anybody. Ending the one that asks is signing out.
func (s *settings) revoke(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "session")
	if err != nil {
		return err
	}
	if id == operatorOf(r.Context()).Session {
		return s.signOut(w, r)
	}
	ended, err := s.DB.RevokeSession(r.Context(), id, operatorActor(r.Context()))
	if err != nil {
		return err
	}
	return s.back(w, r, allSessionsPath, templates.Notice{Kind: templates.Well, Text: "The session of " + ended.Email + " is ended: it is signed out there."})
}

// signOutOperator ends all sessions of one operator.
func (s *settings) signOutOperator(w http.ResponseWriter, r *http.Request) error {
	o, err := s.operatorAt(r)
	if err != nil {
		return err
	}
	before, err := s.DB.SignOutOperator(r.Context(), o.Email, operatorActor(r.Context()))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d sessions of %s are ended.", before.Sessions, o.Email)
	switch before.Sessions {
	case 0:
		text = o.Email + " was signed in nowhere."
	case 1:
		text = "The one session of " + o.Email + " is ended."
	}
	return s.back(w, r, allSessionsPath, templates.Notice{Kind: templates.Well, Text: text})
}
