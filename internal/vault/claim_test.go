package vault

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
)

// replyLost is a connection to PostgreSQL that breaks when the claim of a refresh
// was carried out and before that is known.
type replyLost struct {
	net.Conn

	lose   *atomic.Bool
	parsed atomic.Bool // the statement is prepared: the next write carries it out
	broken atomic.Bool
}

func (c *replyLost) Write(p []byte) (int, error) {
	switch {
	case c.parsed.Load() && c.lose.CompareAndSwap(true, false):
		c.broken.Store(true)
	case bytes.Contains(p, []byte("SET status = 'refreshing'")):
		c.parsed.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *replyLost) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p) // PostgreSQL answers after it has committed
	if c.broken.Load() {
		return 0, errors.Join(net.ErrClosed, c.Conn.Close())
	}
	return n, err
}

// A claim of which nobody knows whether it was committed is taken back, because
// no call followed: the merchant is not asked for a grant that is as good as ever.
func TestFaultClaimWithoutAReplyIsTakenBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cfg := s.pool.Config()
	var lose atomic.Bool
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &replyLost{Conn: conn, lose: &lose}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s.DB = store.New(pool)
	s.expire()
	lose.Store(true)

	if _, err := s.Token(t.Context(), s.tenant); err == nil || lose.Load() {
		t.Fatalf("the reply was not lost: %v", err)
	}

	dbtest.Eventually(t, 10*time.Second, "the claim is taken back", func() bool {
		c := s.row()
		return c.Status == store.ConnectionActive && c.Attempt == nil
	})
	s.answers(3) // taking it back raised the version once
	s.neverAgain()
	if s.asked() != 1 {
		t.Errorf("%d calls, want one", s.asked())
	}
}

// A claim that is carried out only after it was taken back finds nothing to claim.
func TestFaultClaimThatComesLateIsKeptAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, -time.Minute)
	before := b.row(t)
	attempt := uuid.New()

	if _, err := b.db.FenceRefresh(t.Context(), b.tenant, attempt, before.Version); err != nil {
		t.Fatal(err)
	}
	_, late, err := b.db.BeginRefresh(t.Context(), b.tenant, before.Version, time.Minute)

	if c := b.row(t); err != nil || late || c.Status != store.ConnectionActive || c.Version != before.Version+1 {
		t.Errorf("the late claim: %v, %v; %s, version %d", late, err, c.Status, c.Version)
	}
	if g, err := b.Token(t.Context(), b.tenant); err != nil || !strings.HasPrefix(g.Access, "access-1-") || b.accounts.calls.Load() != 1 {
		t.Errorf("afterwards: %v after %d calls, want one refresh", err, b.accounts.calls.Load())
	}
}
