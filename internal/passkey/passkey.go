// Package passkey makes and checks the passkeys that operators sign in with: the
// console's side of WebAuthn Level 3. Of a passkey the console keeps a public key;
// the private one never leaves the operator's device, which asks for a finger, a
// face or a PIN before it signs, and signs for this console's name only.
package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
)

// Patience is how long a browser may take to answer a challenge.
const Patience = 5 * time.Minute

// maxAnswer bounds what a browser answers, in bytes; an attestation with its
// certificates has less than half of it.
const maxAnswer = 32 << 10

// Party is the console, as browsers and their authenticators know it.
type Party struct {
	web  *webauthn.WebAuthn
	host string // with its port, as browsers send it
}

// NewParty returns the party of the console at an address such as
// https://crm.example.com. It gives fault.Invalid where the address has no name that
// passkeys can belong to: an IP address is none.
func NewParty(address string) (*Party, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fault.New(fault.Invalid, "passkeys need the console's address")
	}
	name := strings.ToLower(u.Hostname())
	if u.Scheme == "http" && name != "localhost" {
		return nil, fault.New(fault.Invalid, "passkeys need https")
	}
	resident := true
	web, err := webauthn.New(&webauthn.Config{
		RPID: name, RPDisplayName: "Wosool", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: &resident, ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Enforce: true, Timeout: Patience},
			Registration: webauthn.TimeoutConfig{Enforce: true, Timeout: Patience},
		},
	})
	if err != nil {
		return nil, fault.New(fault.Invalid, "passkeys can't belong to %s: %v", name, err)
	}
	return &Party{web: web, host: u.Host}, nil
}

// Serves tells whether a page of this host, as in a Host header, may use the passkeys.
// There is no party at all where p is nil.
func (p *Party) Serves(host string) bool { return p != nil && strings.EqualFold(host, p.host) }

// Holder is an operator with the passkeys that they have.
type Holder struct {
	ID    uuid.UUID
	Email string
	Held  []Credential
}

// Credential is what is kept of a passkey. It is to be sealed: whoever could write it
// could sign in.
type Credential struct {
	Operator uuid.UUID           `json:"operator"`
	Record   webauthn.Credential `json:"record"`
}

// ID is the authenticator's name for the passkey.
func (c Credential) ID() []byte { return c.Record.ID }

// Ceremony is what a challenge was made with. It stays with whoever made it, or is
// sealed: an answer is checked against it.
type Ceremony struct {
	webauthn.SessionData
}

// Until is when the challenge ends. Of two challenges the later one ends later.
func (c Ceremony) Until() time.Time { return c.Expires }

// user is a holder as the library wants one.
type user struct{ Holder }

func (u user) WebAuthnID() []byte          { return u.ID[:] }
func (u user) WebAuthnName() string        { return u.Email }
func (u user) WebAuthnDisplayName() string { return u.Email }

func (u user) WebAuthnCredentials() []webauthn.Credential {
	list := make([]webauthn.Credential, len(u.Held))
	for i, c := range u.Held {
		list[i] = c.Record
	}
	return list
}

// Offer is what a browser is asked: the publicKey of navigator.credentials.create
// and .get, in JSON, and what its answer is checked against.
type Offer struct {
	Options  json.RawMessage `json:"options"`
	Ceremony Ceremony        `json:"ceremony"`
}

func newOffer(options any, session *webauthn.SessionData) (Offer, error) {
	doc, err := json.Marshal(options)
	if err != nil {
		return Offer{}, fmt.Errorf("offer a challenge: %w", err)
	}
	return Offer{Options: doc, Ceremony: Ceremony{SessionData: *session}}, nil
}

// Make begins the making of a further passkey, on a device that holds none of theirs.
func (p *Party) Make(h Holder) (Offer, error) {
	held := webauthn.Credentials(user{h}.WebAuthnCredentials()).CredentialDescriptors()
	creation, session, err := p.web.BeginRegistration(user{h}, webauthn.WithExclusions(held))
	if err != nil {
		return Offer{}, fmt.Errorf("begin a passkey: %w", err)
	}
	return newOffer(creation.Response, session)
}

// Made checks what a browser answered to Make. It gives fault.Invalid where that is
// no passkey for this console and this operator.
func (p *Party) Made(h Holder, c Ceremony, answer string) (Credential, error) {
	if len(answer) > maxAnswer {
		return Credential{}, refused("its answer is too long", nil)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return Credential{}, refused("its answer can't be read", err)
	}
	record, err := p.web.CreateCredential(user{h}, c.SessionData, parsed)
	if err != nil {
		return Credential{}, refused("its answer is not one to this page's question", err)
	}
	return Credential{Operator: h.ID, Record: *record}, nil
}

// Ask begins a sign-in by whichever passkey the reader chooses.
func (p *Party) Ask() (Offer, error) {
	assertion, session, err := p.web.BeginDiscoverableLogin()
	if err != nil {
		return Offer{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return newOffer(assertion.Response, session)
}

// Answer is what a browser says to Ask. Nothing of it is proved yet.
type Answer struct {
	Operator uuid.UUID // whose it says that it is
	ID       []byte    // the authenticator's name for the passkey
	parsed   *protocol.ParsedCredentialAssertionData
}

// ReadAnswer reads an answer to Ask, or gives fault.Invalid.
func ReadAnswer(text string) (Answer, error) {
	if len(text) > maxAnswer {
		return Answer{}, refused("its answer is too long", nil)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(text))
	if err != nil {
		return Answer{}, refused("its answer can't be read", err)
	}
	whose, err := uuid.FromBytes(parsed.Response.UserHandle)
	if err != nil {
		return Answer{}, refused("it does not say whose it is", nil)
	}
	return Answer{Operator: whose, ID: parsed.RawID, parsed: parsed}, nil
}

// Check proves that the passkey which is kept as c signed the answer to the ceremony's
// challenge, on this console's page, after its owner was verified. It returns the
// passkey as it is to be kept from now on, or gives fault.Invalid. Whether the
// challenge was answered before is the caller's to know, by Ceremony.Until.
func (p *Party) Check(a Answer, asked Ceremony, c Credential) (Credential, error) {
	if c.Operator != a.Operator {
		return c, refused("it is somebody else's", nil)
	}
	h := user{Holder{ID: c.Operator, Held: []Credential{c}}}
	record, err := p.web.ValidateDiscoverableLogin(func(_, _ []byte) (webauthn.User, error) { return h, nil }, asked.SessionData, a.parsed)
	if err != nil {
		return c, refused("its answer is not one to this page's question", err)
	}
	if record.Authenticator.CloneWarning {
		return c, refused("its counter went backwards, so there may be a copy of it", nil)
	}
	return Credential{Operator: c.Operator, Record: *record}, nil
}

// Refused says that a passkey was not taken. It is a fault.Invalid.
type Refused struct {
	Why   string // the end of a sentence that begins with the passkey; it may be shown
	cause error  // what the library says: for the log
}

func (r *Refused) Error() string {
	if r.cause == nil {
		return "the passkey was not taken: " + r.Why
	}
	return fmt.Sprintf("the passkey was not taken: %s: %v", r.Why, r.cause)
}

// Unwrap gives the kind of fault that it is.
func (r *Refused) Unwrap() error { return fault.Invalid }

func refused(why string, err error) error {
	if p, ok := errors.AsType[*protocol.Error](err); ok && p.DevInfo != "" {
		err = fmt.Errorf("%w: %s", err, p.DevInfo)
	}
	return &Refused{Why: why, cause: err}
}
