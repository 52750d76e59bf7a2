// Package vault keeps the merchants' grants: sealed in the control database, and
// renewed so that a refresh token is never sent twice.
package vault

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// Keys seals and opens what the control database must not hold in the clear. It
// is safe for concurrent use, and it does not print.
type Keys struct {
	aead tink.AEAD
	mark []byte // what everything begins with that is sealed now; nil: it can't be told
}

// OpenKeys reads SECRET_KEYSET. What cannot be read is fault.Invalid; the error
// says nothing of the value.
func OpenKeys(encoded string) (*Keys, error) {
	handle, err := decodeKeyset(encoded)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the keyset holds no AEAD key")
	}
	return &Keys{aead: primitive, mark: markOf(handle)}, nil
}

// Seal encrypts plain so that it opens only with the same associated data: a
// sealed value that was moved to another row does not open.
func (k *Keys) Seal(plain []byte, ad string) ([]byte, error) {
	sealed, err := k.aead.Encrypt(plain, bound(ad))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", ad, err)
	}
	return sealed, nil
}

// Open decrypts what Seal gave for the same associated data.
func (k *Keys) Open(sealed []byte, ad string) ([]byte, error) {
	plain, err := k.aead.Decrypt(sealed, bound(ad))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", ad, err)
	}
	return plain, nil
}

// bound is the associated data that a sealed value is bound to.
func bound(ad string) []byte {
	if !protect.BoundSecret {
		return nil
	}
	return []byte(ad)
}

// String keeps the keys out of whatever prints them.
func (*Keys) String() string { return "vault.Keys" }

// tenantAD is the associated data of a sealed column of a tenant.
func tenantAD(tenantID uuid.UUID, column string) string {
	return "tenant:" + tenantID.String() + ":" + column
}
