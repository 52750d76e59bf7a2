// Package vault keeps the merchants' grants: sealed in the control database, and
// renewed so that a refresh token is never sent twice.
package vault

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/wosool/wosool/internal/fault"
)

// Keys seals and opens what the control database must not hold in the clear. It
// is safe for concurrent use, and it does not print.
type Keys struct{ aead tink.AEAD }

// NewKeyset makes a keyset of one AES-256-GCM key, for SECRET_KEYSET.
func NewKeyset() (string, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return "", fmt.Errorf("make a keyset: %w", err)
	}
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b)); err != nil {
		return "", fmt.Errorf("write the keyset: %w", err)
	}
	return base64.StdEncoding.EncodeToString(bytes.TrimSpace(b.Bytes())), nil
}

// OpenKeys reads SECRET_KEYSET. What cannot be read is fault.Invalid; the error
// says nothing of the value.
func OpenKeys(encoded string) (*Keys, error) {
	doc, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the keyset is not base64")
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(doc)))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the keyset is not a Tink keyset in JSON")
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the keyset holds no AEAD key")
	}
	return &Keys{aead: primitive}, nil
}

// Seal encrypts plain so that it opens only with the same associated data: a
// sealed value that was moved to another row does not open.
func (k *Keys) Seal(plain []byte, ad string) ([]byte, error) {
	sealed, err := k.aead.Encrypt(plain, []byte(ad))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", ad, err)
	}
	return sealed, nil
}

// Open decrypts what Seal gave for the same associated data.
func (k *Keys) Open(sealed []byte, ad string) ([]byte, error) {
	plain, err := k.aead.Decrypt(sealed, []byte(ad))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", ad, err)
	}
	return plain, nil
}

// String keeps the keys out of whatever prints them.
func (*Keys) String() string { return "vault.Keys" }

// tenantAD is the associated data of a sealed column of a tenant.
func tenantAD(tenantID uuid.UUID, column string) string {
	return "tenant:" + tenantID.String() + ":" + column
}
