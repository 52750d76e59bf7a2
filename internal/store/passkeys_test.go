package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// keptPasskey keeps a passkey of amal's, made by a challenge that ended at the epoch.
func keptPasskey(t *testing.T, db *store.DB, o store.Operator, credential string) store.NewPasskey {
	t.Helper()
	n := store.NewPasskey{
		ID: uuid.Must(uuid.NewV7()), CredentialID: []byte(credential), Sealed: []byte("sealed"), Name: " a  phone ", Until: time.Unix(0, 0),
	}
	if err := db.AddPasskey(t.Context(), o.ID, n, store.Actor{Name: amal}); err != nil {
		t.Fatal(err)
	}
	return n
}

// usePasskey signs in by a passkey with a challenge that ends at that second.
func usePasskey(t *testing.T, db *store.DB, o store.Operator, id uuid.UUID, until int64) bool {
	t.Helper()
	a, wait, err := db.BeginProof(t.Context(), o.ID, home)
	if err != nil || wait > 0 {
		t.Fatalf("begin: wait %s, %v", wait, err)
	}
	token := uuid.New()
	ok, err := db.SignInWithPasskey(t.Context(), a, store.UsedPasskey{ID: id, Sealed: []byte("later"), Until: time.Unix(until, 0)},
		store.NewSession{TokenHash: token[:], Address: "192.0.2.1", Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// A challenge is answered once, and none that is older than one that was answered.
func TestChallengeIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	db, _, o := operators(t)
	kept := keptPasskey(t, db, o, "one")
	for i, tt := range []struct {
		until int64
		want  bool
	}{{0, false}, {100, true}, {100, false}, {99, false}, {101, true}} {
		if got := usePasskey(t, db, o, kept.ID, tt.until); got != tt.want {
			t.Errorf("%d, a challenge that ends at %d: %t, want %t", i, tt.until, got, tt.want)
		}
	}
	list, err := db.Passkeys(t.Context(), o.ID)
	if err != nil || len(list) != 1 || list[0].Name != "a phone" || string(list[0].Sealed) != "later" || list[0].UsedAt == nil {
		t.Errorf("kept: %+v, %v", list, err)
	}
	if usePasskey(t, db, o, uuid.New(), 200) {
		t.Error("one that is not kept lets in")
	}
}

// Of many who send the same answer at the same moment one gets in.
func TestChallengeIsAnsweredOnceAtOnce(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	kept := keptPasskey(t, db, o, "one")
	a, _, err := db.BeginProof(t.Context(), o.ID, home)
	if err != nil {
		t.Fatal(err)
	}
	var in atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			token := uuid.New()
			ok, err := db.SignInWithPasskey(t.Context(), a, store.UsedPasskey{ID: kept.ID, Sealed: []byte("later"), Until: time.Unix(100, 0)}, store.NewSession{TokenHash: token[:]})
			if err != nil {
				t.Error(err)
			}
			if ok {
				in.Add(1)
			}
		})
	}
	all.Wait()
	var sessions int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM sessions`).Scan(&sessions); err != nil || in.Load() != 1 || sessions != 1 {
		t.Errorf("%d got in, %d sessions, %v", in.Load(), sessions, err)
	}
}

// What is no passkey is refused in words: without a name, kept already, one too many,
// however many are added at once.
func TestPasskeysAreBounded(t *testing.T) {
	t.Parallel()
	db, _, o := operators(t)
	keptPasskey(t, db, o, "one")
	add := func(credential, name string) error {
		return db.AddPasskey(t.Context(), o.ID, store.NewPasskey{ID: uuid.New(), CredentialID: []byte(credential), Sealed: []byte("s"), Name: name, Until: time.Now()}, store.Actor{Name: amal})
	}
	for _, name := range []string{"", " \t", strings.Repeat("ن", 61)} {
		if err := add("named", name); !errors.Is(err, fault.Invalid) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	if err := add("one", "again"); !errors.Is(err, fault.Conflict) {
		t.Errorf("the same again: %v", err)
	}
	var kept, refused atomic.Int32
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			switch err := add(fmt.Sprint("more", i), strings.Repeat("ن", 60)); {
			case err == nil:
				kept.Add(1)
			case errors.Is(err, fault.Conflict):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := db.Passkeys(t.Context(), o.ID); err != nil || len(list) != 20 || kept.Load() != 19 || refused.Load() != 5 {
		t.Errorf("%d kept, %d refused: %d there, %v", kept.Load(), refused.Load(), len(list), err)
	}
}

// One passkey goes, or all of an operator's with their sessions; nobody removes
// another's.
func TestPasskeysAreRemoved(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	one := keptPasskey(t, db, o, "one")
	keptPasskey(t, db, o, "two")
	usePasskey(t, db, o, one.ID, 100)
	if _, err := db.RemovePasskey(t.Context(), uuid.New(), one.ID, store.Actor{Name: "badr"}); !errors.Is(err, fault.NotFound) {
		t.Errorf("somebody else removes it: %v", err)
	}
	if p, err := db.RemovePasskey(t.Context(), o.ID, one.ID, store.Actor{Name: amal}); err != nil || p.Name != "a phone" {
		t.Errorf("removed %+v, %v", p, err)
	}
	if _, err := db.PasskeyByCredential(t.Context(), []byte("one")); !errors.Is(err, fault.NotFound) {
		t.Errorf("it is still there: %v", err)
	}
	was, err := db.RemovePasskeys(t.Context(), "AMAL@example.com", store.Actor{Name: "console"})
	if err != nil || was.Sessions != 1 {
		t.Errorf("removed all: %d sessions, %v", was.Sessions, err)
	}
	if some, err := db.AnyPasskey(t.Context()); err != nil || some {
		t.Errorf("some are left: %t, %v", some, err)
	}
	if _, err := db.RemovePasskeys(t.Context(), amal, store.Actor{Name: "console"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("removed where there is none: %v", err)
	}
	var audit string
	if err := pool.QueryRow(t.Context(), `SELECT string_agg(act || ' ' || coalesce(details->'before', '{}')::text, ', ' ORDER BY id) FROM audit WHERE act LIKE '%passkey%'`).Scan(&audit); err != nil {
		t.Fatal(err)
	}
	if want := `passkey.add {}, passkey.add {}, passkey.remove {"passkey": "a phone"}, operator.remove_passkeys {"passkeys": 1}`; audit != want {
		t.Errorf("the audit has %s, want %s", audit, want)
	}
}

// A new password ends whatever else lets in: passkeys too.
func TestNewPasswordRemovesPasskeys(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	keptPasskey(t, db, o, "one")
	keptPasskey(t, db, o, "two")
	if _, err := db.ResetPassword(t.Context(), amal, "$another", store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	var left, noted int
	if err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM passkeys), (SELECT (details->>'passkeys')::int FROM audit WHERE act = 'operator.reset_password')`).Scan(&left, &noted); err != nil {
		t.Fatal(err)
	}
	if left != 0 || noted != 2 {
		t.Errorf("%d passkeys are left, %d noted as removed", left, noted)
	}
}

// Who proves again what they are needs a code where there is a second factor, and one
// that was switched on meanwhile is not passed over.
func TestProveAgain(t *testing.T) {
	t.Parallel()
	db, _, o := operators(t)
	begin := func() store.Attempt {
		t.Helper()
		a, wait, err := db.BeginProof(t.Context(), o.ID, home)
		if err != nil || wait > 0 {
			t.Fatalf("begin: wait %s, %v", wait, err)
		}
		return a
	}
	prove := func(a store.Attempt, shown *store.SecondStep) bool {
		t.Helper()
		ok, err := db.ProveAgain(t.Context(), a, shown)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	early := begin()
	if !prove(begin(), nil) {
		t.Error("without a second factor the password is not enough")
	}
	withFactor(t, db, o, "recovery")
	if prove(early, nil) || prove(begin(), nil) {
		t.Error("the second factor is passed over")
	}
	if !prove(begin(), &store.SecondStep{Step: 200}) || prove(begin(), &store.SecondStep{Step: 200}) {
		t.Error("a code is good other than once")
	}
	if !prove(begin(), &store.SecondStep{Recovery: []byte("recovery")}) || prove(begin(), &store.SecondStep{Recovery: []byte("recovery")}) {
		t.Error("a recovery code is good other than once")
	}
	for range 6 { // what succeeded is forgotten
		if !prove(begin(), &store.SecondStep{Step: time.Now().UnixNano()}) {
			t.Error("a later code is refused")
		}
	}
}
