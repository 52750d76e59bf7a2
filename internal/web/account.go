package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// showAccount answers where the operator is signed in.
func (s *Server) showAccount(w http.ResponseWriter, r *http.Request) error {
	o := operatorOf(r.Context())
	sessions, err := s.DB.Sessions(r.Context(), o.ID)
	if err != nil {
		return err
	}
	second, err := s.DB.SecondFactor(r.Context(), o.ID)
	if err != nil {
		return err
	}
	v := accountView(o, sessions, time.Now(), zoneOf(r))
	v.SecondFactor = secondFactorView(second, time.Now(), zoneOf(r))
	if v.Passkeys, err = s.passkeysView(r.Context(), r.Host, moments(r)); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, templates.AccountPage(s.frame(r, "Account", ""), v))
}

// accountView is what the account's page shows.
func accountView(o Operator, sessions []store.Session, now time.Time, zone *time.Location) templates.Account {
	v := templates.Account{Email: o.Email, Sessions: make([]templates.SessionRow, len(sessions))}
	for i, one := range sessions {
		v.Sessions[i] = templates.SessionRow{
			ID: one.ID.String(), Address: one.Address, Browser: browserOf(one.Agent), Agent: one.Agent,
			Since: templates.NewMoment(one.CreatedAt, now, zone), Seen: templates.NewMoment(one.SeenAt, now, zone),
			Current: one.ID == o.Session,
		}
	}
	return v
}

// revokeSession ends one of the operator's own sessions. Ending the one that
// asks is signing out.
func (s *Server) revokeSession(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "session")
	if err != nil {
		return err
	}
	o := operatorOf(r.Context())
	if id == o.Session {
		return s.signOut(w, r)
	}
	if err := s.DB.EndSession(r.Context(), o.ID, id, "session.end", operatorActor(r.Context())); err != nil {
		return err
	}
	return s.back(w, r, "/admin/account", templates.Notice{Kind: templates.Well, Text: "The session is ended: it is signed out there."})
}

// revokeOthers ends all of the operator's sessions but the one that asks.
func (s *Server) revokeOthers(w http.ResponseWriter, r *http.Request) error {
	o := operatorOf(r.Context())
	ended, err := s.DB.EndOtherSessions(r.Context(), o.ID, o.Session, operatorActor(r.Context()))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d other sessions are ended.", ended)
	switch ended {
	case 0:
		text = "There was no other session."
	case 1:
		text = "The other session is ended."
	}
	return s.back(w, r, "/admin/account", templates.Notice{Kind: templates.Well, Text: text})
}
