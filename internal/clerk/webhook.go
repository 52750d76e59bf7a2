package clerk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// tolerance is how far a delivery's time may be from ours, before or after.
const tolerance = 5 * time.Minute

// minKey is the least length of a webhook secret: Svix's own libraries took an
// empty one, with which anybody can sign.
const minKey = 24

// Verifier checks that webhooks come from Clerk, as Svix signs them.
type Verifier struct{ keys [][]byte }

// NewVerifier makes a Verifier of the secrets that are accepted, whsec_ and
// base64: several during a rotation, at least one. One that is not so, or shorter
// than 24 bytes, is fault.Invalid.
func NewVerifier(secrets ...string) (*Verifier, error) {
	v := &Verifier{}
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < minKey {
			return nil, fault.New(fault.Invalid, "clerk: webhook secret %d is not whsec_ and the base64 of at least %d bytes", i+1, minKey)
		}
		v.keys = append(v.keys, key)
	}
	if len(v.keys) == 0 {
		return nil, fault.New(fault.Invalid, "clerk: no webhook secret")
	}
	return v, nil
}

// Verify checks a delivery by its headers, its raw body and our time; header is an
// http.Header. It does not stop a delivery from coming twice: svix-id is the same
// then. What it refuses is fault.Forbidden.
func (v *Verifier) Verify(header interface{ Get(string) string }, body []byte, now time.Time) error {
	id, stamp := header.Get("svix-id"), header.Get("svix-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 53)
	if id == "" || err != nil {
		return fault.New(fault.Forbidden, "clerk: a webhook without id and time")
	}
	if off := now.Sub(time.Unix(seconds, 0)); (off < -tolerance || off > tolerance) && protect.ClerkTime {
		return fault.New(fault.Forbidden, "clerk: a webhook of another time")
	}
	for part := range strings.FieldsSeq(header.Get("svix-signature")) {
		version, encoded, _ := strings.Cut(part, ",")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if version != "v1" || err != nil {
			continue
		}
		for _, key := range v.keys {
			if hmac.Equal(sign(key, id, stamp, body), signature) {
				return nil
			}
		}
	}
	return fault.New(fault.Forbidden, "clerk: no signature of the webhook holds")
}

func sign(key []byte, id, stamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	return mac.Sum(nil)
}
