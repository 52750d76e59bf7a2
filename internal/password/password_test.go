package password

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/wosool/wosool/internal/fault"
)

// light is a cost that tests can pay.
func light() Cost { return Cost{Memory: 64, Time: 1, Threads: 1} }

func TestPasswordIsFoundAgain(t *testing.T) {
	t.Parallel()
	h := NewHasher(light(), 2)
	const text = "correct horse battery"
	hash, err := h.Hash(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") || strings.Contains(hash, text) {
		t.Errorf("hash = %s", hash)
	}
	again, err := h.Hash(t.Context(), text)
	if err != nil || again == hash {
		t.Errorf("the same password twice: %v, the same hash %t", err, again == hash)
	}
	for _, tt := range []struct {
		name, hash, text string
		same             bool
	}{
		{"the password", hash, text, true},
		{"another one", hash, "Correct horse battery", false},
		{"nothing", hash, "", false},
		{"far too much", hash, strings.Repeat("x", MaxBytes+1), false},
		{"nobody's", h.Nobody(), text, false},
		{"nobody's nothing", h.Nobody(), "", false},
	} {
		same, stale, err := h.Compare(t.Context(), tt.hash, tt.text)
		if err != nil || same != tt.same || stale {
			t.Errorf("%s: same %t, stale %t, %v; want same %t", tt.name, same, stale, err, tt.same)
		}
	}
}

func TestHashOfAnotherCostIsStale(t *testing.T) {
	t.Parallel()
	hash, err := NewHasher(light(), 1).Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	same, stale, err := NewHasher(Cost{Memory: 64, Time: 2, Threads: 1}, 1).Compare(t.Context(), hash, "correct horse battery")

	if err != nil || !same || !stale {
		t.Errorf("same %t, stale %t, %v; want the same, and stale", same, stale, err)
	}
}

// What others compute for the standard cost is what we compute.
func TestStandardCost(t *testing.T) {
	t.Parallel()
	h := NewHasher(Standard(), 1)
	hash, err := h.Hash(t.Context(), "correct horse battery")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=2$") {
		t.Fatalf("hash = %s, %v", hash, err)
	}
	if same, _, err := h.Compare(t.Context(), hash, "correct horse battery"); err != nil || !same {
		t.Errorf("same %t, %v", same, err)
	}
}

// A hash of the reference implementation, from its own tests.
func TestReferenceHash(t *testing.T) {
	t.Parallel()
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

	same, stale, err := NewHasher(Standard(), 1).Compare(t.Context(), reference, "password")

	if err != nil || !same || !stale {
		t.Errorf("same %t, stale %t, %v", same, stale, err)
	}
}

func TestWhatIsNoHash(t *testing.T) {
	t.Parallel()
	h := NewHasher(light(), 1)
	good := h.Nobody()
	for _, bad := range []string{
		"", "secret", "$2a$10$abcdefghijklmnopqrstuv", strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "m=64", "m=4294967295", 1),
		strings.Replace(good, "m=64", "m=1", 1), strings.Replace(good, "t=1", "t=0", 1),
		strings.Replace(good, "t=1", "t=1000000", 1), strings.Replace(good, "p=1", "p=0", 1),
		strings.Replace(good, "p=1", "p=300", 1), good + "$", good[:len(good)-30], good + "!",
	} {
		if _, _, err := h.Compare(t.Context(), bad, "correct horse battery"); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("Compare(%q) = %v, want an error that does not quote it", bad, err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"":                            false,
		"eleven char":                 false,
		"twelve chars":                true,
		"كلمة مرور ١٢":                true, // twelve letters, not bytes
		"كلمة سر":                     false,
		strings.Repeat("x", MaxBytes): true,
		strings.Repeat("x", 1025):     false,
		"\xff\xfe and some more":      false,
		Generate():                    true,
	} {
		if err := Check(text); (err == nil) != ok || err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("Check(%d bytes) = %v, want ok %t", len(text), err, ok)
		}
	}
	if one, another := Generate(), Generate(); one == another {
		t.Error("the same password twice")
	}
}

// Who comes while all turns are taken waits, and only as long as it wants to.
func TestFewAtOnce(t *testing.T) {
	t.Parallel()
	h := NewHasher(light(), 2)
	h.slots <- struct{}{}
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "correct horse battery"); !errors.Is(err, fault.Unavailable) {
		t.Errorf("Hash = %v, want unavailable", err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := h.Hash(t.Context(), "correct horse battery"); err != nil {
			t.Errorf("Hash = %v, want it to get its turn", err)
		}
	})
	<-h.slots
	waiting.Wait()
}
