package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/wosool/wosool/internal/fault"
)

// A keyset is rotated in three steps, with a rolling restart after each: one more
// key that every process can open with (AddKey); that key seals (PromoteKey); the
// others go (DropKeys). At every moment each process opens what any other seals.

// NewKeyset makes a keyset of one AES-256-GCM key, for SECRET_KEYSET.
func NewKeyset() (string, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return "", fmt.Errorf("make a keyset: %w", err)
	}
	return encodeKeyset(handle)
}

// AddKey returns the keyset with one more AES-256-GCM key, which opens but does not
// seal yet. fault.Conflict: the keyset has more than one key already, so that a
// rotation is under way.
func AddKey(encoded string) (string, error) {
	handle, err := decodeKeyset(encoded)
	if err != nil {
		return "", err
	}
	if handle.Len() != 1 {
		return "", fault.New(fault.Conflict, "the keyset has %d keys: a rotation is under way, which wosool keyset reseal and drop end", handle.Len())
	}
	return changed(handle, func(m *keyset.Manager) error {
		_, err := m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
}

// PromoteKey returns the keyset with its newest key as the one that seals.
// fault.Conflict: there is only one.
func PromoteKey(encoded string) (string, error) {
	handle, err := decodeKeyset(encoded)
	if err != nil {
		return "", err
	}
	newest, err := handle.Entry(handle.Len() - 1)
	if err != nil {
		return "", fmt.Errorf("read the newest key: %w", err)
	}
	if handle.Len() < 2 {
		return "", fault.New(fault.Conflict, "the keyset has one key only: wosool keyset add comes first")
	}
	return changed(handle, func(m *keyset.Manager) error { return m.SetPrimary(newest.KeyID()) })
}

// DropKeys returns the keyset with only the key that seals. fault.Conflict: there is
// no other, or the newest is not the one that seals.
func DropKeys(encoded string) (string, error) {
	handle, err := decodeKeyset(encoded)
	if err != nil {
		return "", err
	}
	if handle.Len() < 2 {
		return "", fault.New(fault.Conflict, "the keyset has one key only: there is none to drop")
	}
	return changed(handle, func(m *keyset.Manager) error {
		for i := range handle.Len() {
			key, err := handle.Entry(i)
			if err != nil {
				return err
			}
			if key.IsPrimary() != (i == handle.Len()-1) {
				return fault.New(fault.Conflict, "the newest key of the keyset does not seal yet: wosool keyset reseal comes first, and a restart of every process with what it prints")
			}
			if key.IsPrimary() {
				continue
			}
			if err := m.Delete(key.KeyID()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reseal seals a value anew with the key that seals now.
func (k *Keys) Reseal(sealed []byte, ad string) ([]byte, error) {
	plain, err := k.Open(sealed, ad)
	if err != nil {
		return nil, err
	}
	return k.Seal(plain, ad)
}

// Mark is what every value begins with that was sealed by the key that seals now,
// and none that another key sealed. It is nil where the keyset was made elsewhere,
// of keys that leave no mark.
func (k *Keys) Mark() []byte { return bytes.Clone(k.mark) }

// markOf is Tink's prefix of what a keyset's primary key seals: a version and the
// key's id.
func markOf(handle *keyset.Handle) []byte {
	const version = 1
	primary, err := handle.Primary()
	if err != nil {
		return nil
	}
	id, marked := primary.Key().IDRequirement()
	if !marked {
		return nil
	}
	return binary.BigEndian.AppendUint32([]byte{version}, id)
}

// changed returns the keyset of handle after a change, which is proved to open.
func changed(handle *keyset.Handle, change func(*keyset.Manager) error) (string, error) {
	m := keyset.NewManagerFromHandle(handle)
	if err := change(m); err != nil {
		return "", fmt.Errorf("change the keyset: %w", err)
	}
	after, err := m.Handle()
	if err != nil {
		return "", fmt.Errorf("change the keyset: %w", err)
	}
	encoded, err := encodeKeyset(after)
	if err != nil {
		return "", err
	}
	if _, err := OpenKeys(encoded); err != nil {
		return "", fmt.Errorf("open the changed keyset: %w", err)
	}
	return encoded, nil
}

func encodeKeyset(handle *keyset.Handle) (string, error) {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&b)); err != nil {
		return "", fmt.Errorf("write the keyset: %w", err)
	}
	return base64.StdEncoding.EncodeToString(bytes.TrimSpace(b.Bytes())), nil
}

// decodeKeyset reads SECRET_KEYSET; the error says nothing of the value.
func decodeKeyset(encoded string) (*keyset.Handle, error) {
	doc, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the keyset is not base64")
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(doc)))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the keyset is not a Tink keyset in JSON")
	}
	return handle, nil
}
