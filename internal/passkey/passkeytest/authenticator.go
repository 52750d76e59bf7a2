// Package passkeytest is an authenticator for tests: what a phone or a security key
// does with passkeys, and the browser before it.
package passkeytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// The flags that an authenticator signs.
const (
	present  = 0x01
	verified = 0x04
	attested = 0x40
)

// Authenticator holds one passkey, once it has made it.
type Authenticator struct {
	t testing.TB

	Origin     string // of the page that asks
	Name       string // the relying party of the page; as the browser sees it
	Counter    uint32
	Unverified bool   // it does not ask who is there
	Handle     []byte // whose the passkey is
	id         []byte
	key        *ecdsa.PrivateKey
}

// New returns an authenticator beside a browser that is at an origin of a name.
func New(t testing.TB, origin, name string) *Authenticator {
	t.Helper()
	return &Authenticator{t: t, Origin: origin, Name: name}
}

func (a *Authenticator) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// Make answers navigator.credentials.create with those options.
func (a *Authenticator) Make(options []byte) string {
	a.t.Helper()
	var o struct {
		Challenge string
		User      struct{ ID string }
	}
	a.must(json.Unmarshal(options, &o))
	var err error
	a.Handle, err = base64.RawURLEncoding.DecodeString(o.User.ID)
	a.must(err)
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	a.id = make([]byte, 16)
	_, err = rand.Read(a.id)
	a.must(err)
	point, err := a.key.PublicKey.Bytes()
	a.must(err)
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	a.must(err)
	data := a.data(attested)
	data = append(data, make([]byte, 16)...) // of no known make
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.id)))
	data = append(append(data, a.id...), public...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	a.must(err)
	return a.answer(map[string]any{"clientDataJSON": a.client("webauthn.create", o.Challenge), "attestationObject": object})
}

// Sign answers navigator.credentials.get with those options.
func (a *Authenticator) Sign(options []byte) string {
	a.t.Helper()
	var o struct{ Challenge string }
	a.must(json.Unmarshal(options, &o))
	client, data := a.client("webauthn.get", o.Challenge), a.data(0)
	of := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(data), of[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	a.must(err)
	return a.answer(map[string]any{"clientDataJSON": client, "authenticatorData": data, "signature": signature, "userHandle": a.Handle})
}

// client is what the browser says of the page.
func (a *Authenticator) client(kind, challenge string) []byte {
	doc, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	a.must(err)
	return doc
}

// data is what the authenticator says of itself.
func (a *Authenticator) data(flags byte) []byte {
	name := sha256.Sum256([]byte(a.Name))
	flags |= present
	if !a.Unverified {
		flags |= verified
	}
	if a.Counter > 0 {
		a.Counter++
	}
	return binary.BigEndian.AppendUint32(append(name[:], flags), a.Counter)
}

// answer is what the page's script sends of it.
func (a *Authenticator) answer(response map[string]any) string {
	for name, value := range response {
		if raw, ok := value.([]byte); ok {
			response[name] = base64.RawURLEncoding.EncodeToString(raw)
		}
	}
	id := base64.RawURLEncoding.EncodeToString(a.id)
	doc, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	a.must(err)
	return string(doc)
}
