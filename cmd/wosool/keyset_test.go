package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/vault"
)

// singleUse is Salla's OAuth server: each refresh token is good once.
type singleUse struct {
	mu     sync.Mutex
	good   map[string]bool
	n      int
	reuses int
}

func (s *singleUse) Refresh(_ context.Context, token string) (salla.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.good[token] {
		s.reuses++
		return salla.Token{}, errors.New("this refresh token is used up")
	}
	delete(s.good, token)
	return s.mint(), nil
}

func (s *singleUse) mint() salla.Token {
	s.n++
	t := salla.Token{Access: fmt.Sprint("access-", s.n), Refresh: fmt.Sprint("refresh-", s.n), ExpiresAt: time.Now().Add(time.Hour)}
	s.good[t.Refresh] = true
	return t
}

// fleet are processes that refresh grants and take deliveries with credentials in,
// with one keyset at a time.
type fleet struct {
	*shell
	db      *store.DB
	oauth   *singleUse
	tenants []uuid.UUID
	sealed  atomic.Int64 // bodies of deliveries
	stop    func()
}

// newFleet makes tenants with a password and a grant, each sealed by the keyset.
func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{shell: newShell(t), oauth: &singleUse{good: map[string]bool{}}, stop: func() {}}
	f.db = store.New(f.pool)
	keys := f.keys(f.env["SECRET_KEYSET"])
	v := &vault.Vault{DB: f.db, Keys: keys, OAuth: f.oauth}
	for i := range n {
		id := uuid.Must(uuid.NewV7())
		password, err := keys.Seal([]byte("password of "+id.String()), "tenant:"+id.String()+":database_password")
		if err != nil {
			t.Fatal(err)
		}
		g, err := v.SealGrant(t.Context(), id, f.oauth.mint())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.pool.Exec(t.Context(), `
			WITH t AS (
				INSERT INTO tenants (id, merchant, slug, name, status, database_password) VALUES ($1, $2::bigint, 'store-' || $2::bigint, 'x', 'ready', $3)
			)
			INSERT INTO connections (id, status, access_token, refresh_token, expires_at, refresh_at) VALUES ($1, 'active', $4, $5, $6, $7)`,
			id, 1000+i, password, g.Access, g.Refresh, g.ExpiresAt, g.RefreshAt); err != nil {
			t.Fatal(err)
		}
		f.tenants = append(f.tenants, id)
	}
	t.Cleanup(func() { f.stop() })
	f.restart(f.env["SECRET_KEYSET"])
	return f
}

func (f *fleet) keys(keyset string) *vault.Keys {
	f.t.Helper()
	keys, err := vault.OpenKeys(keyset)
	if err != nil {
		f.t.Fatal(err)
	}
	return keys
}

// restart ends the processes and starts them with a keyset.
func (f *fleet) restart(keyset string) {
	f.t.Helper()
	f.stop()
	keys := f.keys(keyset)
	v := &vault.Vault{DB: f.db, Keys: keys, OAuth: f.oauth}
	inbox := &events.Inbox{DB: f.db, Keys: keys}
	ctx, cancel := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	f.stop = func() {
		cancel()
		running.Wait()
		if err := v.Drain(context.WithoutCancel(ctx)); err != nil { // refreshes end, whoever waits for them
			f.t.Errorf("drain: %v", err)
		}
	}
	running.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			f.refresh(ctx, v, f.tenants[i%len(f.tenants)])
			f.deliver(ctx, inbox)
		}
	})
}

func (f *fleet) refresh(ctx context.Context, v *vault.Vault, id uuid.UUID) {
	g, err := v.Token(ctx, id)
	if err == nil {
		err = v.Refused(ctx, id, g.Version)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, fault.ErrHandBack) {
		f.t.Errorf("refresh: %v", err)
	}
}

func (f *fleet) deliver(ctx context.Context, inbox *events.Inbox) {
	n := f.sealed.Add(1)
	if _, err := inbox.Record(ctx, events.Delivery{
		Source: events.SourceSalla, Header: http.Header{}, ReceivedAt: time.Now(),
		Body: fmt.Appendf(nil, `{"event":"app.store.authorize","merchant":77,"data":{"access_token":"a%d","refresh_token":"r"}}`, n),
	}); err != nil {
		f.sealed.Add(-1)
		if ctx.Err() == nil {
			f.t.Errorf("deliver: %v", err)
		}
	}
}

// keyset runs a command that prints a keyset, and proves that it is printed once,
// alone, and is nowhere else.
func (s *shell) keyset(args string) string {
	s.t.Helper()
	out, errs, code := s.run(args)
	keyset := strings.TrimSuffix(out, "\n")
	if _, err := vault.OpenKeys(keyset); code != 0 || err != nil || strings.Contains(keyset, "\n") {
		s.t.Fatalf("wosool %s: exit %d, %v, %s", args, code, err, errs)
	}
	if strings.Contains(errs, keyset[:40]) || strings.Contains(errs, s.env["SECRET_KEYSET"][:40]) {
		s.t.Errorf("wosool %s tells the keyset beside its answer", args)
	}
	return keyset
}

func TestFaultKeysetIsRotatedWhileTheFleetRuns(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 30)
	oldest := f.keys(f.env["SECRET_KEYSET"])
	step := func(keyset string) { // a rolling restart
		f.env["SECRET_KEYSET"] = keyset
		f.restart(keyset)
	}

	step(f.keyset("keyset add"))
	promoted := f.keyset("keyset reseal") // the fleet goes on sealing with the old key
	f.env["SECRET_KEYSET"] = promoted
	dbtest.Eventually(t, 10*time.Second, "a process that was not restarted to seal", func() bool {
		return f.db1(`SELECT count(*) FROM connections WHERE substring(refresh_token FROM 1 FOR 5) = $1`, oldest.Mark()) > 0
	})
	f.refused("keyset drop", "were still sealed by an old key")
	step(promoted)
	if _, _, code := f.run("keyset drop"); code != 0 { // what was sealed until the restart
		f.keyset("keyset drop")
	}
	step(f.keyset("keyset drop"))
	f.stop()

	keys := f.keys(f.env["SECRET_KEYSET"])
	v := &vault.Vault{DB: f.db, Keys: keys, OAuth: f.oauth}
	for _, id := range f.tenants {
		f.refresh(t.Context(), v, id)
		ten, err := f.db.Tenant(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		ad := "tenant:" + id.String() + ":database_password"
		if plain, err := keys.Open(ten.DatabasePassword, ad); err != nil || string(plain) != "password of "+id.String() {
			t.Errorf("a password: %v", err)
		}
		if _, err := oldest.Open(ten.DatabasePassword, ad); err == nil {
			t.Error("the old key opens a password")
		}
	}
	rows, err := f.pool.Query(t.Context(), `SELECT event_id, sealed FROM event_payloads WHERE sealed IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	opened := int64(0)
	for rows.Next() {
		var id uuid.UUID
		var sealed []byte
		if err := rows.Scan(&id, &sealed); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(sealed, "event:"+id.String()+":body"); err != nil {
			t.Errorf("a delivery: %v", err)
		}
		opened++
	}
	if err := rows.Err(); err != nil || opened < f.sealed.Load() { // one whose answer was lost is kept as well
		t.Errorf("%d of %d deliveries are sealed, %v", opened, f.sealed.Load(), err)
	}
	if f.oauth.reuses != 0 || f.oauth.n < 3*len(f.tenants) {
		t.Errorf("%d refreshes, %d reuses", f.oauth.n, f.oauth.reuses)
	}
	if got := f.shell.db(`SELECT string_agg(DISTINCT act, ' ' ORDER BY act) FROM audit`); got != "keyset.drop keyset.reseal" {
		t.Errorf("audit: %s", got)
	}
}

// db1 reads one number of the database.
func (f *fleet) db1(sql string, args ...any) (n int) {
	f.t.Helper()
	if err := f.pool.QueryRow(f.t.Context(), sql, args...).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// What was moved to another row stays useless, and no key goes while it is there.
func TestRotationKeepsSecretsInTheirPlace(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	f.stop()
	f.env["SECRET_KEYSET"] = f.keyset("keyset add")
	f.exec(`UPDATE connections AS c SET access_token = o.access_token FROM connections AS o WHERE c.id > o.id`)
	moved := "connections.access_token " + f.tenants[1].String()

	f.refused("keyset reseal", moved)
	if n := f.db1(`SELECT count(DISTINCT substring(access_token FROM 1 FOR 5)) FROM connections`); n != 2 {
		t.Errorf("%d keys seal two tokens, want the moved one as it was", n)
	}
	f.exec(`UPDATE connections SET access_token = NULL WHERE id = '` + f.tenants[1].String() + `'`)
	f.env["SECRET_KEYSET"] = f.keyset("keyset reseal")
	f.keyset("keyset drop")
}

func TestDropWaitsForTheSpool(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	state := t.TempDir()
	folder := filepath.Join(state, "wosool", "spool")
	keys, err := vault.OpenKeys(s.env["SECRET_KEYSET"])
	if err != nil {
		t.Fatal(err)
	}
	spool, err := events.OpenSpool(folder, keys, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	down, err := store.Open(t.Context(), "postgres://127.0.0.1:1/none", "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(down.Close)
	inbox := &events.Inbox{DB: store.New(down), Keys: keys, Spool: spool}
	if _, err := inbox.Receive(t.Context(), events.Delivery{
		Source: events.SourceSalla, Body: []byte(`{"event":"app.store.authorize","merchant":7,"data":{"access_token":"a"}}`), ReceivedAt: time.Now(),
	}); err == nil || spool.State().Waiting != 1 {
		t.Fatalf("spooled %+v, %v", spool.State(), err)
	}
	s.env["SECRET_KEYSET"] = s.keyset("keyset add")
	s.env["SECRET_KEYSET"] = s.keyset("keyset reseal")
	const sealed = "1 deliveries in the spool are sealed by an old key"
	s.env["SPOOL_DIR"] = folder
	s.refused("keyset drop", sealed)
	s.env["SPOOL_DIR"] = folder + "-elsewhere"
	s.refused("keyset drop", "the folder of SPOOL_DIR is not here")

	// Where the api has the standard folder, so has drop.
	delete(s.env, "SPOOL_DIR")
	s.env["XDG_STATE_HOME"] = state
	s.refused("keyset drop", sealed)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := s.run("keyset drop"); code != 0 || !strings.Contains(errs, "The spool was NOT looked at") || !strings.Contains(errs, "wosool_spool_files must be 0") {
		t.Errorf("without a folder: exit %d, %s", code, errs)
	}
	if err := os.Mkdir(folder, 0o700); err != nil { // drained
		t.Fatal(err)
	}
	if _, errs, code := s.run("keyset drop"); code != 0 || !strings.Contains(errs, "Nothing is sealed by an old key") {
		t.Errorf("with an empty folder: exit %d, %s", code, errs)
	}
}

func TestKeysetCommandsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	bare := &shell{t: t, env: map[string]string{}}
	if _, errs, code := bare.run("keyset add"); code != 2 || !strings.Contains(errs, "SECRET_KEYSET is missing") || strings.Contains(errs, "DATABASE_URL") {
		t.Errorf("without a keyset: exit %d, %s", code, errs)
	}
	var answer struct {
		Keyset   string `json:"keyset"`
		Resealed *int   `json:"resealed"`
	}
	bare.json(&answer, "keyset new")
	bare.env["SECRET_KEYSET"] = answer.Keyset
	bare.json(&answer, "keyset add") // needs no database
	bare.env["SECRET_KEYSET"] = answer.Keyset
	bare.refused("keyset add", "a rotation is under way")
	if _, errs, code := bare.run("keyset reseal"); code != 2 || !strings.Contains(errs, "DATABASE_URL is missing") {
		t.Errorf("without a database: exit %d, %s", code, errs)
	}

	s := newShell(t)
	s.refused("keyset reseal", "wosool keyset add comes first")
	s.refused("keyset drop", "there is none to drop")
	s.json(&answer, "keyset add")
	s.env["SECRET_KEYSET"] = answer.Keyset
	s.refused("keyset drop", "does not seal yet")
	s.json(&answer, "keyset reseal")
	if answer.Resealed == nil || *answer.Resealed != 0 {
		t.Errorf("resealed %v of nothing", answer.Resealed)
	}
}
