package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/wosool/wosool/internal/fault"
)

// At each step of a rotation, whoever still has the keyset of the step before and
// whoever has the next one open what the other seals.
func TestNeighboursOfARotationOpenEachOther(t *testing.T) {
	t.Parallel()
	first, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	steps := []string{first}
	for _, step := range []func(string) (string, error){AddKey, PromoteKey, DropKeys} {
		next, err := step(steps[len(steps)-1])
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, next)
	}
	var sealed [][]byte
	var keys []*Keys
	for _, encoded := range steps {
		k, err := OpenKeys(encoded)
		if err != nil {
			t.Fatal(err)
		}
		s, err := k.Seal([]byte("secret"), "ad")
		if err != nil || !bytes.HasPrefix(s, k.Mark()) || len(k.Mark()) != 5 {
			t.Fatalf("sealed %x with the mark %x: %v", s, k.Mark(), err)
		}
		keys, sealed = append(keys, k), append(sealed, s)
	}
	for i, k := range keys {
		for j, s := range sealed {
			plain, err := k.Open(s, "ad")
			if opens := err == nil && string(plain) == "secret"; i-j <= 1 && j-i <= 1 && !opens {
				t.Errorf("step %d does not open what step %d sealed: %v", i, j, err)
			}
			if _, err := k.Open(s, "another"); err == nil {
				t.Errorf("step %d opens what step %d sealed for another place", i, j)
			}
		}
	}
	if !bytes.Equal(keys[0].Mark(), keys[1].Mark()) || bytes.Equal(keys[1].Mark(), keys[2].Mark()) || !bytes.Equal(keys[2].Mark(), keys[3].Mark()) {
		t.Error("another key seals than the one that should")
	}
	if _, err := keys[3].Open(sealed[0], "ad"); err == nil {
		t.Error("the old key is still there")
	}
	if strings.Contains(decoded(t, steps[3]), keyIDs(t, first)) {
		t.Error("the old key's id is still in the keyset")
	}

	again, err := keys[2].Reseal(sealed[0], "ad")
	if err != nil || !bytes.HasPrefix(again, keys[2].Mark()) {
		t.Fatalf("reseal: %v", err)
	}
	if plain, err := keys[3].Open(again, "ad"); err != nil || string(plain) != "secret" {
		t.Errorf("what was sealed anew: %q, %v", plain, err)
	}
	if _, err := keys[2].Reseal(sealed[0], "another"); err == nil {
		t.Error("what was moved is made good")
	}
}

func TestStepsOfARotationInAnotherOrderAreRefused(t *testing.T) {
	t.Parallel()
	one, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	two, err := AddKey(one)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		step    func(string) (string, error)
		encoded string
		kind    error
	}{
		"add twice":          {AddKey, two, fault.Conflict},
		"reseal without add": {PromoteKey, one, fault.Conflict},
		"drop without add":   {DropKeys, one, fault.Conflict},
		"drop before reseal": {DropKeys, two, fault.Conflict},
		"add to no keyset":   {AddKey, "not base64!", fault.Invalid},
		"reseal no keyset":   {PromoteKey, "e30=", fault.Invalid},
		"drop from nothing":  {DropKeys, "", fault.Invalid},
	} {
		got, err := tt.step(tt.encoded)
		if got != "" || !errors.Is(err, tt.kind) || tt.encoded != "" && strings.Contains(err.Error(), tt.encoded) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// Cut off after reseal, the same step gives the same keyset.
	three, err := PromoteKey(two)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := PromoteKey(three); err != nil || again != three {
		t.Errorf("reseal again: %v", err)
	}
}

func TestKeysWithoutAMarkAreTold(t *testing.T) {
	t.Parallel()
	template := aead.AES256GCMNoPrefixKeyTemplate()
	handle, err := keyset.NewHandle(template)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := encodeKeyset(handle)
	if err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeys(encoded)
	if err != nil || k.Mark() != nil {
		t.Errorf("mark %x, %v", k.Mark(), err)
	}
}

func decoded(t *testing.T, encoded string) string {
	t.Helper()
	doc, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// keyIDs is the id of a keyset's only key.
func keyIDs(t *testing.T, encoded string) string {
	t.Helper()
	_, rest, _ := strings.Cut(decoded(t, encoded), `"primaryKeyId":`)
	id, _, _ := strings.Cut(rest, ",")
	return strings.TrimSpace(id)
}
