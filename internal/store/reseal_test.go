package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
)

// What is sealed in these tests is MARK AD PLAIN.
func sealedAs(mark, ad, plain string) []byte { return []byte(mark + " " + ad + " " + plain) }

// sealNewer seals with the mark "newer", what was sealed for its place.
func sealNewer(sealed []byte, ad string) ([]byte, error) {
	mark, rest, _ := strings.Cut(string(sealed), " ")
	plain, ok := strings.CutPrefix(rest, ad+" ")
	if !ok {
		return nil, fmt.Errorf("%s was not sealed for %s", mark, ad)
	}
	return sealedAs("newer", ad, plain), nil
}

func newer(reseal func([]byte, string) ([]byte, error)) Resealing {
	return Resealing{Mark: []byte("newer"), Reseal: reseal}
}

// A column of bytes is sealed, and resealed, or it is known not to be: no secret
// is left behind when a key goes.
func TestEverySealedColumnIsResealed(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	open := []string{ // hashes and digests
		"api_keys.token_hash", "connections.access_hash", "event_keys.key", "event_payloads.body_hash", "installs.browser_hash", "installs.state_hash",
		"known_tokens.hash", "pages.digest", "passkeys.credential_id", "recovery_codes.code_hash", "sessions.token_hash", "sign_in_attempts.key",
	}
	rows, err := pool.Query(t.Context(), `
		SELECT c.table_name || '.' || c.column_name
		FROM information_schema.columns AS c
		WHERE c.table_schema = 'public' AND c.data_type = 'bytea' AND c.table_name NOT LIKE 'event\_payloads\_%'`)
	if err != nil {
		t.Fatal(err)
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, c := range sealedColumns() {
		known = append(known, c.table+"."+c.column)
	}
	known = append(known, open...)
	slices.Sort(there)
	slices.Sort(known)
	if diff := cmp.Diff(known, there); diff != "" {
		t.Errorf("columns of bytes (-known +there): a sealed one belongs into sealedColumns\n%s", diff)
	}
}

// fillSealed makes n tenants whose password, and n events whose body, is sealed by
// an old key; among many payloads without any.
func fillSealed(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO tenants (id, slug, name, database_password)
		 SELECT i, 'tenant-' || n, 'x', convert_to('older tenant:' || i || ':database_password secret' || n, 'UTF8')
		 FROM (SELECT n, gen_random_uuid() AS i FROM generate_series(1, $1::int) AS n) AS g`,
		`INSERT INTO event_payloads (event_id, body_length, body_hash, sealed)
		 SELECT i, 1, '', CASE WHEN n <= $1 THEN convert_to('older event:' || i || ':body secret' || n, 'UTF8') END
		 FROM (SELECT n, gen_random_uuid() AS i FROM generate_series(1, $1::int + 25000) AS n) AS g`,
	} {
		if _, err := pool.Exec(t.Context(), statement, n); err != nil {
			t.Fatal(err)
		}
	}
}

// left counts what is sealed otherwise than with the mark.
func left(t *testing.T, pool *pgxpool.Pool) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM tenants WHERE convert_from(database_password, 'UTF8') NOT LIKE 'newer tenant:' || id || ':database_password secret%')
		     + (SELECT count(*) FROM event_payloads WHERE convert_from(sealed, 'UTF8') NOT LIKE 'newer event:' || event_id || ':body secret%')`,
	).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFaultResealIsKilledAndRunAgain(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	const n = 200
	fillSealed(t, pool, n)

	killed, kill := context.WithCancel(t.Context())
	defer kill()
	seen := 0
	_, err := db.Reseal(killed, newer(func(sealed []byte, ad string) ([]byte, error) {
		if seen++; seen == n+n/2 { // among the events
			kill()
		}
		return sealNewer(sealed, ad)
	}))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("killed: %v", err)
	}
	if rest := left(t, pool); rest == 0 || rest >= n {
		t.Fatalf("%d of %d are left after the kill", rest, 2*n)
	}
	again, err := db.Reseal(t.Context(), newer(sealNewer))
	if err != nil || len(again.Unopened) != 0 || again.Count == 0 || again.Count >= n || left(t, pool) != 0 {
		t.Errorf("again: %+v, %v, %d left", again, err, left(t, pool))
	}
	if once, err := db.Reseal(t.Context(), newer(sealNewer)); err != nil || once.Count != 0 {
		t.Errorf("once more: %+v, %v", once, err)
	}
}

// A value that is replaced while its copy is sealed anew stays as it was replaced.
func TestResealLeavesWhatIsReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	id := uuid.Must(uuid.NewV7())
	ad := "tenant:" + id.String() + ":access_token"
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO tenants (id, slug, name) VALUES ($1, 'palm', 'x')`, id)
	exec(`INSERT INTO connections (id, status, access_token) VALUES ($1, 'active', $2)`, id, sealedAs("older", ad, "first"))

	done, err := db.Reseal(t.Context(), newer(func(sealed []byte, ad string) ([]byte, error) {
		exec(`UPDATE connections SET access_token = $2 WHERE id = $1`, id, sealedAs("older", ad, "second"))
		return sealNewer(sealed, ad)
	}))
	if err != nil || done.Count != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	var token []byte
	if err := pool.QueryRow(t.Context(), `SELECT access_token FROM connections`).Scan(&token); err != nil || !bytes.Equal(token, sealedAs("older", ad, "second")) {
		t.Errorf("the refreshed token was overwritten: %s, %v", token, err)
	}
	if done, err := db.Reseal(t.Context(), newer(sealNewer)); err != nil || done.Count != 1 {
		t.Errorf("the next pass: %+v, %v", done, err)
	}
}

// What was moved from another row does not open: it is named, and not made good.
func TestResealNamesWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	fillSealed(t, pool, 2)
	if _, err := pool.Exec(t.Context(), `
		UPDATE tenants
		SET database_password = (SELECT database_password FROM tenants WHERE slug = 'tenant-1')
		WHERE slug = 'tenant-2'`); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := pool.QueryRow(t.Context(), `SELECT id::text FROM tenants WHERE slug = 'tenant-2'`).Scan(&id); err != nil {
		t.Fatal(err)
	}

	done, err := db.Reseal(t.Context(), newer(sealNewer))

	if err != nil || done.Count != 3 || len(done.Unopened) != 1 || done.Unopened[0] != "tenants.database_password "+id || left(t, pool) != 1 {
		t.Errorf("%+v, %v, %d left", done, err, left(t, pool))
	}
}
