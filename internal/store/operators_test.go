package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

const (
	amal = "amal@example.com"
	home = "192.0.2.1/32" // where amal sits
	away = "198.51.100.9/32"
)

// hers is a hash, as far as the store is concerned.
const hers = "$argon2id$of-amal"

func operators(t *testing.T) (*store.DB, *pgxpool.Pool, store.Operator) {
	t.Helper()
	pool := dbtest.Control(t)
	db := store.New(pool)
	o, err := db.AddOperator(t.Context(), "Amal@Example.com ", hers, store.RoleAdmin, store.Actor{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return db, pool, o
}

// However many processes start at once, the first operator is made once, and
// only by the one that makes it is it told.
func TestFirstOperatorIsMadeOnce(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := store.New(pool)
	var hashed, made atomic.Int32
	all := make(chan struct{}) // closed when everybody has seen that there is none
	ensure := func(ctx context.Context) error {
		mine, err := db.EnsureFirstOperator(ctx, "First@example.com", func(context.Context) (string, error) {
			if hashed.Add(1) == 5 {
				close(all)
			}
			<-all
			return hers, nil
		}, store.Actor{Name: "settings"})
		if mine {
			made.Add(1)
		}
		return err
	}
	var processes sync.WaitGroup
	for range 5 {
		processes.Go(func() {
			if err := ensure(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	processes.Wait()
	list, err := db.Operators(t.Context())
	if err != nil || len(list) != 1 || list[0].Email != "first@example.com" || made.Load() != 1 {
		t.Errorf("operators = %+v, made by %d, %v", list, made.Load(), err)
	}
	if err := ensure(t.Context()); err != nil || hashed.Load() != 5 {
		t.Errorf("once more: %v, hashed %d times, want it not to hash again", err, hashed.Load())
	}
}

func TestOperatorsEmailIsOne(t *testing.T) {
	t.Parallel()
	db, _, o := operators(t)
	if o.Email != amal || o.SignedInAt != nil || o.Sessions != 0 {
		t.Errorf("made %+v", o)
	}
	if _, err := db.AddOperator(t.Context(), "AMAL@example.com", hers, store.RoleViewer, store.Actor{}); !errors.Is(err, fault.Conflict) {
		t.Errorf("the same again: %v, want a conflict", err)
	}
	for _, bad := range []string{"", "amal", "Amal <amal@example.com>", "a@b, c@d"} {
		if _, err := db.AddOperator(t.Context(), bad, hers, store.RoleViewer, store.Actor{}); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want invalid", bad, err)
		}
	}
}

// After five failures each further one doubles the wait, up to a bound, by
// e-mail and by network; what is refused meanwhile does not count.
func TestAttemptsAreSlowedDown(t *testing.T) {
	t.Parallel()
	for name, attempt := range map[string]func(i int) (email, network string){
		"one e-mail, many networks": func(i int) (string, string) { return amal, fmt.Sprintf("198.51.100.%d/32", i) },
		"one network, many e-mails": func(i int) (string, string) { return fmt.Sprintf("x%d@example.com", i), away },
		"nobody's e-mail":           func(i int) (string, string) { return "Nobody@example.com", fmt.Sprintf("198.51.100.%d/32", i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, pool, _ := operators(t)
			var waits []time.Duration
			for i := range 16 {
				email, network := attempt(i)
				if _, wait, err := db.BeginSignIn(t.Context(), email, network); err != nil || wait != 0 {
					t.Fatalf("attempt %d: wait %s, %v; want it to be made", i+1, wait, err)
				}
				if i < 4 {
					continue
				}
				email, network = attempt(i + 100)
				for range 3 { // too early: refused, and not counted
					_, wait, err := db.BeginSignIn(t.Context(), email, network)
					if err != nil {
						t.Fatal(err)
					}
					waits = append(waits, wait)
				}
				if _, err := pool.Exec(t.Context(), `UPDATE sign_in_attempts SET until = now()`); err != nil {
					t.Fatal(err)
				}
			}
			want := []time.Duration{
				5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second,
				320 * time.Second, 640 * time.Second, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute,
			}
			for i, got := range waits {
				if w := want[i/3]; got > w || got < w-5*time.Second {
					t.Errorf("after %d failures: %s, want %s", i/3+5, got, w)
				}
			}
		})
	}
}

// Attempts that come at once are counted before any of them is known to fail.
func TestManyAttemptsAtOnceGainNothing(t *testing.T) {
	t.Parallel()
	db, _, _ := operators(t)
	var made atomic.Int32
	var guesses sync.WaitGroup
	for i := range 40 {
		guesses.Go(func() {
			_, wait, err := db.BeginSignIn(t.Context(), amal, fmt.Sprintf("198.51.100.%d/32", i%7))
			if err != nil {
				t.Error(err)
			} else if wait == 0 {
				made.Add(1)
			}
		})
	}
	guesses.Wait()
	if made.Load() != 5 {
		t.Errorf("%d attempts were made, want 5", made.Load())
	}
}

// Whoever guesses at an operator from elsewhere does not shut them out of where
// they have signed in before.
func TestOperatorIsNotShutOut(t *testing.T) {
	t.Parallel()
	db, pool, _ := operators(t)
	signIn(t, db)
	guess := func(network string) (waits bool) {
		t.Helper()
		_, wait, err := db.BeginSignIn(t.Context(), amal, network)
		if err != nil {
			t.Fatal(err)
		}
		return wait > 0
	}
	for i := range 5 {
		guess(fmt.Sprintf("198.51.100.%d/32", i))
	}

	if !guess("203.0.113.1/32") {
		t.Error("a new network need not wait")
	}
	if guess(home) {
		t.Error("the operator must wait at home")
	}
	signIn(t, db)
	if !guess("203.0.113.1/32") {
		t.Error("a sign-in at home forgave the guesses elsewhere")
	}
	for range 5 {
		guess(home)
	}
	if !guess(home) {
		t.Error("at home nobody is slowed down at all")
	}
	// A success there forgives what failed there, once its time has come.
	if _, err := pool.Exec(t.Context(), `UPDATE sign_in_attempts SET until = now()`); err != nil {
		t.Fatal(err)
	}
	signIn(t, db)
	if guess(home) {
		t.Error("a success did not forgive what failed before it")
	}
	// Another password forgives what was guessed at the old one.
	if _, err := db.ResetPassword(t.Context(), amal, hers, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	if guess("203.0.113.2/32") {
		t.Error("a new password did not forgive what was guessed at the old one")
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	db, pool, _ := operators(t)
	for range 5 {
		if _, _, err := db.BeginSignIn(t.Context(), amal, away); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `UPDATE sign_in_attempts SET last_at = now() - interval '25 hours', until = now()`); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, wait, err := db.BeginSignIn(t.Context(), amal, away); err != nil || wait != 0 {
			t.Fatalf("wait %s, %v; want none a day later", wait, err)
		}
	}
	if _, err := pool.Exec(t.Context(), `UPDATE sign_in_attempts SET last_at = now() - interval '25 hours', until = now()`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.BeginSignIn(t.Context(), "other@example.com", home); err != nil {
		t.Fatal(err)
	}
	var kept int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM sign_in_attempts`).Scan(&kept); err != nil || kept != 2 {
		t.Errorf("%d rows are kept, %v; want the two of the last attempt", kept, err)
	}
}

// A session that is begun with a password that is no longer the operator's does
// not come about, however late it comes.
func TestSignInWithAPasswordOfBefore(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	a, _, err := db.BeginSignIn(t.Context(), amal, home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ResetPassword(t.Context(), amal, "$another", store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	if err := db.SignIn(t.Context(), a, "", store.NewSession{TokenHash: []byte("token")}); !errors.Is(err, fault.Conflict) {
		t.Errorf("SignIn = %v, want a conflict", err)
	}
	if list, err := db.Sessions(t.Context(), o.ID); err != nil || len(list) != 0 {
		t.Errorf("sessions = %+v, %v", list, err)
	}
	a.Password = "$another"
	if err := db.SignIn(t.Context(), a, "$rehashed", store.NewSession{TokenHash: []byte("token")}); err != nil {
		t.Fatal(err)
	}
	var kept string
	if err := pool.QueryRow(t.Context(), `SELECT password FROM operators`).Scan(&kept); err != nil || kept != "$rehashed" {
		t.Errorf("hash = %s, %v", kept, err)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{
		"idle for 12 hours": `UPDATE sessions SET seen_at = now() - interval '12 hours 1 second'`,
		"seven days old":    `UPDATE sessions SET created_at = now() - interval '7 days 1 second'`,
		"removed operator":  `DELETE FROM operators`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, pool, o := operators(t)
			token := signIn(t, db)
			s, err := db.UseSession(t.Context(), token, "192.0.2.1")
			if err != nil || s.Email != amal || s.OperatorID != o.ID {
				t.Fatalf("session = %+v, %v", s, err)
			}
			if _, err := pool.Exec(t.Context(), end); err != nil {
				t.Fatal(err)
			}
			if _, err := db.UseSession(t.Context(), token, "192.0.2.1"); !errors.Is(err, fault.NotFound) {
				t.Errorf("UseSession = %v, want not found", err)
			}
			if _, err := db.SessionRole(t.Context(), s.ID); !errors.Is(err, fault.NotFound) {
				t.Errorf("SessionRole = %v, want not found", err)
			}
			if list, err := db.Sessions(t.Context(), o.ID); err != nil || len(list) != 0 {
				t.Errorf("sessions = %+v, %v", list, err)
			}
		})
	}
}

// The use of a session is written at most once a minute.
func TestSessionsUseIsNotedByTheMinute(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	token := signIn(t, db)
	seen := func() time.Time {
		t.Helper()
		if _, err := db.UseSession(t.Context(), token, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		list, err := db.Sessions(t.Context(), o.ID)
		if err != nil || len(list) != 1 {
			t.Fatalf("sessions = %+v, %v", list, err)
		}
		return list[0].SeenAt
	}
	first := seen()
	if again := seen(); !again.Equal(first) {
		t.Error("it was written again at once")
	}
	if _, err := pool.Exec(t.Context(), `UPDATE sessions SET seen_at = now() - interval '11 hours'`); err != nil {
		t.Fatal(err)
	}
	if later := seen(); !later.After(first) {
		t.Error("it was not written after a minute")
	}
	if _, err := db.UseSession(t.Context(), token, "192.0.2.7"); err != nil {
		t.Fatal(err)
	}
	if list, err := db.Sessions(t.Context(), o.ID); err != nil || list[0].Address != "192.0.2.7" {
		t.Errorf("sessions = %+v, %v; want the new address at once", list, err)
	}
}

// signIn begins a session at home and returns its token's hash.
func signIn(t *testing.T, db *store.DB) []byte {
	t.Helper()
	a, wait, err := db.BeginSignIn(t.Context(), amal, home)
	if err != nil || wait > 0 {
		t.Fatalf("begin: wait %s, %v", wait, err)
	}
	token := uuid.New()
	if err := db.SignIn(t.Context(), a, "", store.NewSession{TokenHash: token[:], Address: "192.0.2.1", Agent: "test"}); err != nil {
		t.Fatal(err)
	}
	return token[:]
}
