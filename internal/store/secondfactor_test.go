package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// withFactor switches a second factor on for amal, with these recovery codes.
func withFactor(t *testing.T, db *store.DB, o store.Operator, recovery ...string) {
	t.Helper()
	on := store.NewSecondFactor{Sealed: []byte("sealed"), Step: 100}
	for _, code := range recovery {
		on.Recovery = append(on.Recovery, []byte(code))
	}
	if err := db.SwitchOnSecondFactor(t.Context(), o.ID, on, store.Actor{Name: amal}); err != nil {
		t.Fatal(err)
	}
}

// code begins an attempt with a code and ends it with what is shown.
func code(t *testing.T, db *store.DB, o store.Operator, shown store.SecondStep) bool {
	t.Helper()
	a, wait, err := db.BeginProof(t.Context(), o.ID, home)
	if err != nil || wait > 0 {
		t.Fatalf("begin: wait %s, %v", wait, err)
	}
	token := uuid.New()
	ok, err := db.SignInWithCode(t.Context(), a, shown, store.NewSession{TokenHash: token[:], Address: "192.0.2.1", Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// A code of a step is good once, and so is none of a step before; nor the code that
// switched it on.
func TestCodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	withFactor(t, db, o)
	for i, tt := range []struct {
		step int64
		want bool
	}{{100, false}, {99, false}, {102, true}, {102, false}, {101, false}, {103, true}} {
		if got := code(t, db, o, store.SecondStep{Step: tt.step}); got != tt.want {
			t.Errorf("%d, step %d: %t, want %t", i, tt.step, got, tt.want)
		}
	}
	var sessions int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM sessions`).Scan(&sessions); err != nil || sessions != 2 {
		t.Errorf("%d sessions, %v; want one for each code that was good", sessions, err)
	}
}

// Of many who show the same code at the same moment one gets in.
func TestCodeIsGoodOnceAtOnce(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	withFactor(t, db, o, "recovery")
	for name, shown := range map[string]store.SecondStep{"app": {Step: 200}, "recovery code": {Recovery: []byte("recovery")}} {
		if _, err := pool.Exec(t.Context(), `DELETE FROM sign_in_attempts`); err != nil {
			t.Fatal(err)
		}
		a, _, err := db.BeginProof(t.Context(), o.ID, home)
		if err != nil {
			t.Fatal(err)
		}
		var in atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				token := uuid.New()
				ok, err := db.SignInWithCode(t.Context(), a, shown, store.NewSession{TokenHash: token[:]})
				if err != nil {
					t.Error(err)
				}
				if ok {
					in.Add(1)
				}
			})
		}
		all.Wait()
		if in.Load() != 1 {
			t.Errorf("%s: %d got in, want 1", name, in.Load())
		}
	}
}

// What an attempt has seen of one second factor is nothing to another that was
// switched on meanwhile, and a sign-in without a code ends where one came.
func TestSecondFactorThatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	db, _, o := operators(t)
	plain, _, err := db.BeginSignIn(t.Context(), amal, home)
	if err != nil {
		t.Fatal(err)
	}
	withFactor(t, db, o)
	token := uuid.New()
	if err := db.SignIn(t.Context(), plain, "", store.NewSession{TokenHash: token[:]}); !errors.Is(err, fault.Conflict) {
		t.Errorf("without a code: %v, want a conflict", err)
	}
	seen, _, err := db.BeginProof(t.Context(), o.ID, home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ResetSecondFactor(t.Context(), amal, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	withFactor(t, db, o)
	if ok, err := db.SignInWithCode(t.Context(), seen, store.SecondStep{Step: 500}, store.NewSession{TokenHash: token[:]}); err != nil || ok {
		t.Errorf("by the secret of before: %t, %v", ok, err)
	}
	if err := db.SwitchOnSecondFactor(t.Context(), o.ID, store.NewSecondFactor{Sealed: []byte("x")}, store.Actor{}); !errors.Is(err, fault.Conflict) {
		t.Errorf("switched on twice: %v, want a conflict", err)
	}
}

// A recovery code is its operator's and good once; switching off drops them all.
func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	badr, err := db.AddOperator(t.Context(), "badr@example.com", "-", store.RoleViewer, store.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	withFactor(t, db, o, "one", "two")
	withFactor(t, db, badr, "his")
	for i, tt := range []struct {
		code string
		want bool
	}{{"one", true}, {"one", false}, {"his", false}, {"none", false}} {
		if got := code(t, db, o, store.SecondStep{Recovery: []byte(tt.code)}); got != tt.want {
			t.Errorf("%d, %s: %t, want %t", i, tt.code, got, tt.want)
		}
	}
	if f, err := db.SecondFactor(t.Context(), o.ID); err != nil || f.Codes != 1 || !f.On() || f.Since == nil {
		t.Errorf("second factor = %+v, %v", f, err)
	}
	a, _, err := db.BeginProof(t.Context(), o.ID, home)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		code string
		want bool
	}{{"one", false}, {"two", true}, {"two", false}} {
		if ok, err := db.SwitchOffSecondFactor(t.Context(), a, store.SecondStep{Recovery: []byte(tt.code)}, store.Actor{Name: amal}); err != nil || ok != tt.want {
			t.Errorf("off, %d: %t, %v; want %t", i, ok, err, tt.want)
		}
	}
	if f, err := db.SecondFactor(t.Context(), o.ID); err != nil || f.On() || f.Codes != 0 || f.Since != nil {
		t.Errorf("after switching off: %+v, %v", f, err)
	}
	if f, err := db.SecondFactor(t.Context(), badr.ID); err != nil || f.Codes != 1 {
		t.Errorf("another's: %+v, %v", f, err)
	}
	var audit string
	if err := pool.QueryRow(t.Context(), `
		SELECT string_agg(act || ' ' || coalesce(details ->> 'shown', details ->> 'second_factor', '-'), ', ' ORDER BY id)
		FROM audit
		WHERE actor = $1`, amal).Scan(&audit); err != nil {
		t.Fatal(err)
	}
	if want := "second_factor.on -, second_factor.on -, operator.sign_in recovery code, second_factor.off recovery code"; audit != want {
		t.Errorf("audit = %s\nwant    %s", audit, want)
	}
}
