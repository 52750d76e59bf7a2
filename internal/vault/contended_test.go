package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
)

// contender, if set, makes the test binary one of the processes that contend.
const contender = "WOSOOL_TEST_CONTENDER"

func TestMain(m *testing.M) {
	if os.Getenv(contender) == "" {
		os.Exit(m.Run())
	}
	if err := contend(); err != nil {
		fmt.Fprintln(os.Stderr, "contender:", err)
		os.Exit(1)
	}
}

// contend asks for the token of every tenant, over and over, until its standard
// input ends. All tokens are over as soon as they are given.
func contend() error {
	pool, err := pgxpool.New(context.Background(), os.Getenv("CONTENDER_DATABASE"))
	if err != nil {
		return err
	}
	defer pool.Close()
	keys, err := OpenKeys(os.Getenv("CONTENDER_KEYSET"))
	if err != nil {
		return err
	}
	v := &Vault{
		DB: store.New(pool), Keys: keys, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		OAuth: &salla.OAuth{AccountsURL: os.Getenv("CONTENDER_ACCOUNTS"), ClientID: "id", ClientSecret: "the-client-secret"},
	}
	var tenants []uuid.UUID
	for id := range strings.SplitSeq(os.Getenv("CONTENDER_TENANTS"), ",") {
		tenants = append(tenants, uuid.MustParse(id))
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	var callers sync.WaitGroup
	for range 4 { // all of them, and those of the other processes, go the same way
		callers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, err := v.Token(ctx, tenants[i%len(tenants)])
				if _, waits := waitOf(err); err != nil && !waits && ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, "contender:", err)
				}
			}
		})
	}
	callers.Wait()
	return v.Drain(context.Background())
}

// Eight processes contend for the same grants, whose access tokens are over at
// once. No refresh token is sent twice and no grant's chain breaks, in as many
// refreshes as REFRESHES says.
func TestFaultContendedRefreshes(t *testing.T) {
	t.Parallel()
	const processes, grants = 8, 40
	want, err := strconv.Atoi(cmp.Or(os.Getenv("REFRESHES"), "2000"))
	if err != nil || want < 1 {
		t.Fatalf("REFRESHES is no number above 0: %v", err)
	}
	pool, url := dbtest.ControlURL(t)
	// A token is not used in its last half minute: these are over when they come.
	world := sandbox.New(sandbox.Config{
		Seed: 3, PublicURL: "https://wosool.example", ClientID: "id", ClientSecret: "the-client-secret", TokenLife: early - time.Second,
	})
	server := httptest.NewServer(world.Handler())
	t.Cleanup(func() {
		world.Close()
		server.Close()
	})
	encoded, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(encoded)
	if err != nil {
		t.Fatal(err)
	}
	v := &Vault{
		DB: store.New(pool), Keys: keys, Log: dbtest.Log(t),
		OAuth: &salla.OAuth{AccountsURL: world.AccountsURL(server.URL), ClientID: "id", ClientSecret: "the-client-secret"},
	}
	var tenants []string
	for i := range grants {
		tenants = append(tenants, grantedStore(t, v, pool, world, int64(82001+i)).String())
	}

	begun := time.Now()
	stop := contenders(t, processes,
		"CONTENDER_DATABASE="+url+"&pool_max_conns=4", "CONTENDER_KEYSET="+encoded,
		"CONTENDER_ACCOUNTS="+world.AccountsURL(server.URL), "CONTENDER_TENANTS="+strings.Join(tenants, ","))
	dbtest.Eventually(t, 30*time.Second+time.Duration(want)*50*time.Millisecond, "so many refreshes were made", func() bool {
		return world.Stats().Refreshes >= want
	})
	took := time.Since(begun)
	stop()

	stats := world.Stats()
	t.Logf("%d refreshes of %d grants by %d processes in %v", stats.Refreshes, grants, processes, took.Round(time.Millisecond))
	if stats.Resent != 0 || stats.Reuses != 0 {
		t.Errorf("%d refresh tokens were sent again, %d of them used before", stats.Resent, stats.Reuses)
	}
	v.unbroken(t, pool, stats.Refreshes, tenants)
	if got := world.Stats(); got.Resent != 0 || got.Reuses != 0 || got.Refreshes != stats.Refreshes+grants {
		t.Errorf("%d refreshes of the last tokens, want one of each of %d; %d sent again", got.Refreshes-stats.Refreshes, grants, got.Resent)
	}
}

// contenders runs processes until stop, which fails the test unless all end well.
func contenders(t *testing.T, n int, env ...string) (stop func()) {
	t.Helper()
	type process struct {
		cmd  *exec.Cmd
		end  io.Closer
		said *strings.Builder
	}
	var all []process
	for range n {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(append(os.Environ(), contender+"=1"), env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		end, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p := process{cmd, end, &strings.Builder{}}
		cmd.Stdout, cmd.Stderr = p.said, p.said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return func() {
		t.Helper()
		for _, p := range all {
			_ = p.end.Close()
		}
		for _, p := range all {
			if err := p.cmd.Wait(); err != nil || p.said.Len() > 0 {
				t.Errorf("a process ended with %v and said: %.2000s", err, p.said)
			}
		}
	}
}

// unbroken fails unless every refresh that was answered is one version of a grant,
// each of them active, and each good for another refresh.
func (v *Vault) unbroken(t *testing.T, pool *pgxpool.Pool, refreshes int, tenants []string) {
	t.Helper()
	var versions, known int
	if err := pool.QueryRow(t.Context(), `
		SELECT (SELECT sum(version - 1) FROM connections), (SELECT count(*) FROM known_tokens)`).Scan(&versions, &known); err != nil {
		t.Fatal(err)
	}
	if versions != refreshes || known != refreshes+len(tenants) {
		t.Errorf("%d refreshes are %d versions and %d known tokens", refreshes, versions, known)
	}
	for _, id := range tenants {
		c, err := v.DB.Connection(t.Context(), uuid.MustParse(id))
		if err != nil {
			t.Fatal(err)
		}
		if c.Status != store.ConnectionActive || c.RefreshUnknownAt != nil || c.ParkedReason != nil {
			t.Errorf("a grant is %s after %d versions: %v", c.Status, c.Version, c.ParkedReason)
			continue
		}
		if _, err := v.refresh(t.Context(), c); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the last refresh token of a grant: %v", err)
		}
	}
}
