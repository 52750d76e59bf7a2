package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/passkey"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const passkeysPath = accountPath + "/passkeys"

// passkeyRoutes are an operator's own passkeys.
func (in *signIn) passkeyRoutes(r chi.Router) {
	r.Get("/account/passkeys/new", in.handle(in.askProof))
	r.Post("/account/passkeys/new", in.handle(in.newPasskey))
	r.Post("/account/passkeys", in.handle(in.addPasskey))
	r.Get("/account/passkeys/{id}/remove", in.handle(in.askRemovePasskey))
	r.Post("/account/passkeys/{id}/remove", in.handle(in.removePasskey))
}

// passkeysView is what the account's page says of them.
func (s *Server) passkeysView(ctx context.Context, host string, at func(time.Time) templates.Moment) (templates.PasskeysView, error) {
	v := templates.PasskeysView{Here: s.Passkeys.Serves(host)}
	if s.Passkeys != nil {
		v.Only = s.PublicURL
	}
	list, err := s.DB.Passkeys(ctx, operatorOf(ctx).ID)
	if err != nil {
		return v, err
	}
	for _, p := range list {
		v.Rows = append(v.Rows, templates.PasskeyRow{Name: p.Name, Made: at(p.CreatedAt), Used: momentOf(at, p.UsedAt), RemoveAt: removePasskeyPath(p.ID)})
	}
	return v, nil
}

func removePasskeyPath(id uuid.UUID) string { return passkeysPath + "/" + id.String() + "/remove" }

// passkeyAD binds what is kept of a passkey to its row.
func passkeyAD(id uuid.UUID) string { return "passkey:" + id.String() }

// makingAD binds a passkey that is being made to who is at it.
func makingAD(o Operator) string {
	return "operator:" + o.ID.String() + ":passkey:" + o.Session.String()
}

// party is the console for passkeys, where the page that asks may use them.
func (s *Server) party(r *http.Request) (*passkey.Party, error) {
	switch {
	case s.Passkeys == nil:
		return nil, fault.New(fault.Conflict, "passkeys need a PUBLIC_URL with https and a name, which is where the console is opened")
	case !s.Passkeys.Serves(r.Host):
		return nil, fault.New(fault.Conflict, "passkeys work at %s only: open the console there", s.PublicURL)
	}
	return s.Passkeys, nil
}

// GET /admin/account/passkeys/new: a passkey lets in by itself, so who makes one shows
// first what the sign-in would ask for. A console that was left open is not enough.
func (in *signIn) askProof(w http.ResponseWriter, r *http.Request) error {
	if _, err := in.party(r); err != nil {
		return err
	}
	return in.proofPage(w, r, http.StatusOK, "")
}

func (in *signIn) proofPage(w http.ResponseWriter, r *http.Request, status int, mistake string) error {
	v, err := in.proofView(r, mistake)
	if err != nil {
		return err
	}
	return in.render(w, r, status, templates.PasskeyProofPage(in.frame(r, "New passkey", ""), v))
}

// POST /admin/account/passkeys/new: asks the browser for a passkey, where the password
// is right, and the code where there is a second factor.
func (in *signIn) newPasskey(w http.ResponseWriter, r *http.Request) error {
	party, err := in.party(r)
	if err != nil {
		return err
	}
	if err := parseForm(r); err != nil {
		return err
	}
	_, ok, err := in.prove(w, r, func(status int, mistake string) error { return in.proofPage(w, r, status, mistake) })
	if err != nil || !ok {
		return err
	}
	holder, err := in.holder(r.Context())
	if err != nil {
		return err
	}
	offer, err := party.Make(holder)
	if err != nil {
		return err
	}
	return in.makePage(w, r, http.StatusOK, offer, templates.MakePasskey{Name: "My passkey"})
}

// holder is who is signed in, with their passkeys. One that no key opens is left out.
func (s *Server) holder(ctx context.Context) (passkey.Holder, error) {
	o := operatorOf(ctx)
	h := passkey.Holder{ID: o.ID, Email: o.Email}
	list, err := s.DB.Passkeys(ctx, o.ID)
	if err != nil {
		return h, err
	}
	for _, p := range list {
		c, err := s.openPasskey(p)
		if err != nil {
			s.Log.WarnContext(ctx, "a passkey is not opened", "passkey", p.ID, "error", err)
			continue
		}
		h.Held = append(h.Held, c)
	}
	return h, nil
}

// openPasskey opens what is kept of a passkey.
func (s *Server) openPasskey(p store.Passkey) (c passkey.Credential, err error) {
	if err := s.openDoc(p.Sealed, passkeyAD(p.ID), &c); err != nil {
		return c, fmt.Errorf("open a passkey: %w", err)
	}
	return c, nil
}

// makePage has the browser make a passkey. What it was asked is with the form, sealed,
// like a secret that waits for its first code.
func (s *Server) makePage(w http.ResponseWriter, r *http.Request, status int, offer passkey.Offer, v templates.MakePasskey) error {
	var err error
	v.Options = string(offer.Options)
	if v.Pending, err = s.sealText(offer, makingAD(operatorOf(r.Context()))); err != nil {
		return err
	}
	return s.render(w, r, status, templates.MakePasskeyPage(s.frame(r, "New passkey", ""), v))
}

// POST /admin/account/passkeys: keeps the passkey that the browser has made.
func (in *signIn) addPasskey(w http.ResponseWriter, r *http.Request) error {
	party, err := in.party(r)
	if err != nil {
		return err
	}
	if err := parseForm(r); err != nil {
		return err
	}
	o := operatorOf(r.Context())
	var asked passkey.Offer
	if !in.openText(r.PostFormValue("pending"), makingAD(o), &asked) {
		return in.back(w, r, accountPath, templates.Notice{Kind: templates.Wait, Text: "That page is not of this session, so no passkey was kept: begin anew."})
	}
	made, err := party.Made(passkey.Holder{ID: o.ID, Email: o.Email}, asked.Ceremony, r.PostFormValue("credential"))
	if err == nil {
		err = in.keepPasskey(r, made, asked.Ceremony.Until())
	}
	v := templates.MakePasskey{Name: shortened(r.PostFormValue("name"))}
	if refused, ok := errors.AsType[*passkey.Refused](err); ok {
		in.Log.WarnContext(r.Context(), "a passkey was not kept", "operator", o.ID, "error", refused)
		v.Error = passkeyRefused(refused)
		return in.makePage(w, r, http.StatusUnprocessableEntity, asked, v)
	}
	if errors.Is(err, fault.Invalid) { // its name
		v.Error = sentence(err.Error()) + " The passkey was not kept: remove it from the device, or make it again."
		return in.makePage(w, r, http.StatusUnprocessableEntity, asked, v)
	}
	if err != nil {
		return err
	}
	return in.back(w, r, accountPath, templates.Notice{Kind: templates.Well, Text: "The passkey is made: it lets you in without password and code."})
}

func passkeyRefused(r *passkey.Refused) string {
	return "The passkey was not taken: " + r.Why + "."
}

func (s *Server) keepPasskey(r *http.Request, made passkey.Credential, until time.Time) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("name a passkey: %w", err)
	}
	sealed, err := s.sealDoc(made, passkeyAD(id))
	if err != nil {
		return err
	}
	return s.DB.AddPasskey(r.Context(), operatorOf(r.Context()).ID, store.NewPasskey{
		ID: id, CredentialID: made.ID(), Sealed: sealed, Name: r.PostFormValue("name"), Until: until,
	}, operatorActor(r.Context()))
}

// GET /admin/account/passkeys/{id}/remove: asks.
func (in *signIn) askRemovePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "passkey")
	if err != nil {
		return err
	}
	p, err := in.DB.Passkey(r.Context(), operatorOf(r.Context()).ID, id)
	if err != nil {
		return err
	}
	return in.confirm(w, r, "", templates.ConfirmView{
		Title: "Remove the passkey " + p.Name, Back: accountPath,
		Text:  "It lets nobody in any more.",
		Facts: []string{"It can't be undone: a new one is made on the device.", "Where you are signed in by it you stay signed in.", "The device goes on offering it until you remove it there, too."},
		Act:   templates.ActView{Action: removePasskeyPath(p.ID), Label: "Remove", Danger: true, Own: true},
	})
}

// POST /admin/account/passkeys/{id}/remove
func (in *signIn) removePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "passkey")
	if err != nil {
		return err
	}
	p, err := in.DB.RemovePasskey(r.Context(), operatorOf(r.Context()).ID, id, operatorActor(r.Context()))
	if err != nil {
		return err
	}
	return in.back(w, r, accountPath, templates.Notice{Kind: templates.Well, Text: "The passkey " + p.Name + " is removed: it lets nobody in any more."})
}
