package passkey_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/passkey"
	"github.com/wosool/wosool/internal/passkey/passkeytest"
)

const (
	ours = "https://crm.example.com"
	name = "crm.example.com"
)

func party(t *testing.T, address string) *passkey.Party {
	t.Helper()
	p, err := passkey.NewParty(address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func amal() passkey.Holder {
	return passkey.Holder{ID: uuid.MustParse("01890000-0000-7000-8000-000000000001"), Email: "amal@example.com"}
}

// made has the authenticator make a passkey of amal's.
func made(t *testing.T, p *passkey.Party, device *passkeytest.Authenticator) passkey.Credential {
	t.Helper()
	offer, err := p.Make(amal())
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Made(amal(), offer.Ceremony, device.Make(offer.Options))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// again is what comes back of something that was kept as JSON.
func again[T any](t *testing.T, v T) (back T) {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// use has the authenticator answer a question, and checks the answer.
func use(t *testing.T, p *passkey.Party, device *passkeytest.Authenticator, c passkey.Credential) (passkey.Credential, error) {
	t.Helper()
	offer, err := p.Ask()
	if err != nil {
		t.Fatal(err)
	}
	a, err := passkey.ReadAnswer(device.Sign(offer.Options))
	if err != nil {
		t.Fatal(err)
	}
	if a.Operator != amal().ID || string(a.ID) != string(c.ID()) {
		t.Errorf("the answer is of %s and %x", a.Operator, a.ID)
	}
	return p.Check(a, again(t, offer.Ceremony), again(t, c))
}

// A passkey that was made lets its owner in, again and again, also after what is kept
// of it went through a database.
func TestPasskeyIsMadeAndUsed(t *testing.T) {
	t.Parallel()
	p := party(t, ours)
	for _, counts := range []uint32{0, 7} { // synchronised ones don't count
		device := passkeytest.New(t, ours, name)
		device.Counter = counts
		c := made(t, p, device)
		for range 3 {
			var err error
			if c, err = use(t, p, device, c); err != nil {
				t.Fatal(err)
			}
		}
		if c.Operator != amal().ID {
			t.Errorf("it is %s's", c.Operator)
		}
	}
}

// What the browser is asked: a passkey that stays on the device, of an owner who is
// verified, and none where the device holds one already.
func TestWhatTheBrowserIsAsked(t *testing.T) {
	t.Parallel()
	p := party(t, ours)
	c := made(t, p, passkeytest.New(t, ours, name))
	h := amal()
	h.Held = []passkey.Credential{c}
	offer, err := p.Make(h)
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		RP                     struct{ ID string }
		AuthenticatorSelection struct{ ResidentKey, UserVerification string }
		ExcludeCredentials     []struct{ ID string }
		Attestation            string
	}
	if err := json.Unmarshal(offer.Options, &o); err != nil {
		t.Fatal(err)
	}
	if o.RP.ID != name || o.AuthenticatorSelection.ResidentKey != "required" || o.AuthenticatorSelection.UserVerification != "required" ||
		len(o.ExcludeCredentials) != 1 || o.Attestation != "none" {
		t.Errorf("the browser is asked %s", offer.Options)
	}
	if left := time.Until(offer.Ceremony.Until()); left < passkey.Patience-time.Minute || left > passkey.Patience {
		t.Errorf("the challenge ends in %s", left)
	}
}

// No answer lets in that was made on another page, for another console, without the
// owner, to another question, too late, by a copy, or with what is somebody else's.
func TestPasskeyIsRefused(t *testing.T) {
	t.Parallel()
	p := party(t, ours)
	for what, spoil := range map[string]func(d *passkeytest.Authenticator, asked *passkey.Ceremony, kept *passkey.Credential){
		"another page": func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Credential) {
			d.Origin = "https://evil.example"
		},
		"another console": func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Credential) {
			d.Name = "evil.example"
		},
		"without https": func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Credential) {
			d.Origin = "http://" + name
		},
		"nobody verified": func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Credential) { d.Unverified = true },
		"a copy":          func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Credential) { d.Counter = 1 },
		"another owner": func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Credential) {
			id := uuid.New()
			d.Handle = id[:]
		},
		"too late": func(_ *passkeytest.Authenticator, asked *passkey.Ceremony, _ *passkey.Credential) {
			asked.Expires = time.Now().Add(-time.Second)
		},
		"another question": func(_ *passkeytest.Authenticator, asked *passkey.Ceremony, _ *passkey.Credential) {
			asked.Challenge = strings.Repeat("A", 43)
		},
		"no question": func(_ *passkeytest.Authenticator, asked *passkey.Ceremony, _ *passkey.Credential) {
			*asked = passkey.Ceremony{}
		},
		"another key": func(_ *passkeytest.Authenticator, _ *passkey.Ceremony, kept *passkey.Credential) {
			kept.Record.PublicKey[20] ^= 1
		},
		"another passkey": func(_ *passkeytest.Authenticator, _ *passkey.Ceremony, kept *passkey.Credential) {
			kept.Record.ID = []byte("another")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			device := passkeytest.New(t, ours, name)
			device.Counter = 5
			kept := made(t, p, device)
			offer, err := p.Ask()
			if err != nil {
				t.Fatal(err)
			}
			spoil(device, &offer.Ceremony, &kept)
			a, err := passkey.ReadAnswer(device.Sign(offer.Options))
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Check(a, offer.Ceremony, kept)
			if refused, ok := errors.AsType[*passkey.Refused](err); !ok || refused.Why == "" || !errors.Is(err, fault.Invalid) {
				t.Errorf("it is taken: %v", err)
			}
		})
	}
}

// No passkey is kept that was made on another page, for another console, without its
// owner, to another question or for somebody else.
func TestNoPasskeyIsMade(t *testing.T) {
	t.Parallel()
	p := party(t, ours)
	for what, spoil := range map[string]func(d *passkeytest.Authenticator, asked *passkey.Ceremony, h *passkey.Holder){
		"another page": func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Holder) {
			d.Origin = "https://evil.example"
		},
		"another console": func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Holder) { d.Name = "evil.example" },
		"nobody verified": func(d *passkeytest.Authenticator, _ *passkey.Ceremony, _ *passkey.Holder) { d.Unverified = true },
		"too late": func(_ *passkeytest.Authenticator, asked *passkey.Ceremony, _ *passkey.Holder) {
			asked.Expires = time.Now().Add(-time.Second)
		},
		"another question": func(_ *passkeytest.Authenticator, asked *passkey.Ceremony, _ *passkey.Holder) {
			asked.Challenge = strings.Repeat("A", 43)
		},
		"somebody else": func(_ *passkeytest.Authenticator, _ *passkey.Ceremony, h *passkey.Holder) { h.ID = uuid.New() },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			device, h := passkeytest.New(t, ours, name), amal()
			offer, err := p.Make(h)
			if err != nil {
				t.Fatal(err)
			}
			spoil(device, &offer.Ceremony, &h)
			if _, err := p.Made(h, offer.Ceremony, device.Make(offer.Options)); !errors.Is(err, fault.Invalid) {
				t.Errorf("it is kept: %v", err)
			}
		})
	}
}

// Bytes that are no answer are refused in words, whatever they are.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	p := party(t, ours)
	offer, err := p.Make(amal())
	if err != nil {
		t.Fatal(err)
	}
	device := passkeytest.New(t, ours, name)
	whole := device.Make(offer.Options)
	for _, text := range []string{"", "null", "{}", "[]", `{"id": 7}`, "\x00", whole[:len(whole)/2], strings.Repeat("a", 1<<20), device.Sign(offer.Options)} {
		if _, err := p.Made(amal(), offer.Ceremony, text); !errors.Is(err, fault.Invalid) {
			t.Errorf("Made of %.40q: %v", text, err)
		}
	}
	nobodys := passkeytest.New(t, ours, name)
	nobodys.Make(offer.Options)
	nobodys.Handle = []byte("a name")
	for _, text := range []string{"", "null", "{}", "[]", `{"id": 7}`, "\x00", whole, strings.Repeat("a", 1<<20), nobodys.Sign(offer.Options)} {
		if _, err := passkey.ReadAnswer(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("ReadAnswer of %.40q: %v", text, err)
		}
	}
}

// Passkeys belong to a name that browsers reach by https; a developer's own machine is
// as good.
func TestWhereAPartyIs(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "crm.example.com", "https://192.0.2.1", "https://[2001:db8::1]:8443", "http://crm.example.com", "http://127.0.0.1:8080", "ftp://crm.example.com", "https://intranet"} {
		if _, err := passkey.NewParty(address); !errors.Is(err, fault.Invalid) {
			t.Errorf("a party at %q: %v", address, err)
		}
	}
	for address, host := range map[string]string{
		ours: "crm.example.com", "https://CRM.example.com:8443/": "crm.example.com:8443", "http://localhost:8080": "LOCALHOST:8080",
	} {
		if p := party(t, address); !p.Serves(host) || p.Serves("evil.example") || p.Serves("") {
			t.Errorf("the party at %s serves others than %s", address, host)
		}
	}
	if (*passkey.Party)(nil).Serves(name) {
		t.Error("no party serves")
	}
}
