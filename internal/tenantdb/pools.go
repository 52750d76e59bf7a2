package tenantdb

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/fault"
)

const (
	perTenant = 4               // connections of one tenant at a time
	idleFor   = time.Minute     // then an unused connection is closed
	trustFor  = 2 * time.Second // unused for longer, it is tried before it is given out
)

// Target says where a tenant's database is and how to sign in.
type Target struct{ Server, Database, Role, Password string }

// LogValue keeps the password out of logs.
func (t Target) LogValue() slog.Value {
	return slog.GroupValue(slog.String("server", t.Server), slog.String("database", t.Database))
}

func (t Target) String() string { return t.Server + "/" + t.Database }

// Pools hands out connections to tenants' databases under one budget. A
// connection that is free stays open for its tenant until another needs its
// place or it has been idle for a while. Who finds no place waits in line.
//
// It cannot deadlock: a *DB takes one connection for the length of one call and
// never a second one.
type Pools struct {
	servers *Servers
	budget  int
	log     *slog.Logger
	stop    chan struct{}

	mu      sync.Mutex
	open    int            // connections that are open or being opened
	used    map[Target]int // of them in use, by tenant
	idle    *list.List     // of *idleConn, longest unused first
	waiting []*waiter      // first come first
	closed  bool
}

type idleConn struct {
	target Target
	conn   *pgx.Conn
	since  time.Time
}

// place is the right to one connection: conn if there is one to reuse, else the
// holder opens its own, after closing evict.
type place struct {
	conn  *idleConn
	evict *idleConn
}

type waiter struct {
	target Target
	ready  chan place // one, buffered
}

// NewPools returns pools of at most budget open connections. Close ends them.
func NewPools(servers *Servers, budget int, log *slog.Logger) *Pools {
	p := &Pools{
		servers: servers, budget: max(budget, 1), log: log, stop: make(chan struct{}),
		used: map[Target]int{}, idle: list.New(),
	}
	go p.closeIdle()
	return p
}

// Open returns the tenant's database after a first sign-in, so that a refused
// login (fault.Forbidden), a missing database (fault.NotFound) or a server that
// is down (fault.Unavailable) shows here. The DB holds no connection between
// its calls: there is nothing to close, and a handler may keep it while it
// calls the outside.
func (p *Pools) Open(ctx context.Context, t Target) (*DB, error) {
	d := &DB{pools: p, target: t}
	if err := d.with(ctx, func(*pgx.Conn) error { return nil }); err != nil {
		return nil, fmt.Errorf("open tenant database %s: %w", t.Database, err)
	}
	return d, nil
}

// Close closes the idle connections and lets no new one open. Those in use end
// with their calls.
func (p *Pools) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	close(p.stop)
	idle := p.takeIdle(func(*idleConn) bool { return true })
	p.mu.Unlock()
	p.discard(idle...)
}

// Stats are what the pools hold at the moment.
type Stats struct{ Open, Idle, Waiting, Budget int }

// Stats returns what the pools hold at the moment.
func (p *Pools) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Open: p.open, Idle: p.idle.Len(), Waiting: len(p.waiting), Budget: p.budget}
}

// acquire returns a working connection, which release takes back.
func (p *Pools) acquire(ctx context.Context, t Target) (*pgx.Conn, error) {
	pl, err := p.wait(ctx, t)
	if err != nil {
		return nil, err
	}
	if pl.evict != nil {
		p.discard(pl.evict)
	}
	if pl.conn != nil {
		c := pl.conn.conn
		if !c.IsClosed() && (time.Since(pl.conn.since) < trustFor || alive(ctx, c)) {
			return c, nil
		}
		p.discard(pl.conn)
	}
	c, err := p.connect(ctx, t)
	if err != nil {
		p.release(t, nil)
		return nil, signIn(ctx, err)
	}
	return c, nil
}

// alive tells whether a connection still answers. One that is silent is not waited
// for any longer than a new one would be.
func alive(ctx context.Context, c *pgx.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, min(connectTimeout, c.Config().ConnectTimeout))
	defer cancel()
	return c.Ping(ctx) == nil
}

func (p *Pools) connect(ctx context.Context, t Target) (*pgx.Conn, error) {
	admin := p.servers.admin[t.Server]
	if admin == nil {
		return nil, fault.New(fault.NotFound, "server %s holds no tenant databases: it is not among TENANT_DATABASE_URLS", t.Server)
	}
	config := admin.Copy()
	config.User, config.Password, config.Database = t.Role, t.Password, t.Database
	// The same few statements run over and over, by key: planning each of them
	// anew for its values takes longer than running it.
	config.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.RuntimeParams["random_page_cost"] = "1.1"
	config.RuntimeParams["jit"] = "off"
	config.AfterConnect = compressFast
	return pgx.ConnectConfig(ctx, config)
}

// compressFast has PostgreSQL compress documents by LZ4 where it was built with it:
// its own way takes a third of the time that storing a document takes. Either way
// reads what the other has written.
func compressFast(ctx context.Context, c *pgconn.PgConn) error {
	_, err := c.Exec(ctx, `
		SELECT set_config(name, 'lz4', false)
		FROM pg_settings
		WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)`).ReadAll()
	return err
}

// wait returns a place, at once or when others have given theirs back.
func (p *Pools) wait(ctx context.Context, t Target) (place, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return place{}, fault.New(fault.Unavailable, "connections to tenant databases are closed: the process is stopping")
	}
	if pl, ok := p.take(t); ok {
		p.mu.Unlock()
		return pl, nil
	}
	w := &waiter{target: t, ready: make(chan place, 1)}
	p.waiting = append(p.waiting, w)
	p.mu.Unlock()
	select {
	case pl := <-w.ready:
		return pl, nil
	case <-p.stop:
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // a place came all the same: hand it on
		pl := <-w.ready
		p.discard(pl.evict, pl.conn)
		p.release(t, nil)
	}
	if err := ctx.Err(); err != nil {
		return place{}, fmt.Errorf("wait for a connection to a tenant database: %w", err)
	}
	return place{}, fault.New(fault.Unavailable, "connections to tenant databases are closed: the process is stopping")
}

// take claims a place if there is one. p.mu is held.
func (p *Pools) take(t Target) (place, bool) {
	if p.used[t] >= perTenant {
		return place{}, false
	}
	for e := p.idle.Back(); e != nil; e = e.Prev() {
		if c := e.Value.(*idleConn); c.target == t {
			p.idle.Remove(e)
			p.used[t]++
			return place{conn: c}, true
		}
	}
	if p.open < p.budget {
		p.open++
		p.used[t]++
		return place{}, true
	}
	if e := p.idle.Front(); e != nil {
		p.idle.Remove(e)
		p.used[t]++
		return place{evict: e.Value.(*idleConn)}, true
	}
	return place{}, false
}

// release gives a place back; a nil or broken connection is not kept.
func (p *Pools) release(t Target, c *pgx.Conn) {
	var drop *idleConn
	p.mu.Lock()
	if p.used[t]--; p.used[t] == 0 {
		delete(p.used, t)
	}
	switch {
	case c == nil || c.IsClosed():
		p.open--
	case p.closed || c.PgConn().TxStatus() != 'I':
		p.open--
		drop = &idleConn{target: t, conn: c}
	default:
		p.idle.PushBack(&idleConn{target: t, conn: c, since: time.Now()})
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiter) bool {
		pl, ok := p.take(w.target)
		if ok {
			w.ready <- pl
		}
		return ok
	})
	p.mu.Unlock()
	p.discard(drop)
}

// closeIdle closes what nobody has used for a while, until Close.
func (p *Pools) closeIdle() {
	tick := time.NewTicker(idleFor / 4)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-tick.C:
			p.mu.Lock()
			old := p.takeIdle(func(c *idleConn) bool { return now.Sub(c.since) >= idleFor })
			p.mu.Unlock()
			p.discard(old...)
		}
	}
}

// takeIdle removes matching idle connections from the books. p.mu is held.
func (p *Pools) takeIdle(match func(*idleConn) bool) []*idleConn {
	var taken []*idleConn
	for e := p.idle.Front(); e != nil; {
		next := e.Next()
		if c := e.Value.(*idleConn); match(c) {
			p.idle.Remove(e)
			p.open--
			taken = append(taken, c)
		}
		e = next
	}
	return taken
}

func (p *Pools) discard(conns ...*idleConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, c := range conns {
		if c == nil {
			continue
		}
		if err := c.conn.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
			p.log.Debug("close a connection to a tenant database", "error", err)
		}
	}
}
