package dbtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// PostgresServer is a PostgreSQL of one test: it may be stopped and killed.
type PostgresServer struct {
	t       testing.TB
	bin     string              // folder of the server's programs
	user    *syscall.Credential // PostgreSQL does not run as root; nil: as we are
	data    string
	port    int
	running *process
}

// OwnPostgres starts a PostgreSQL for this test, with no database but
// "postgres". It ends with the test.
func OwnPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	p := &PostgresServer{t: t, bin: postgresBin(t), user: postgresUser(t)}
	p.makeData()
	firstStart(t, func(port int) error {
		p.port = port
		return p.start()
	})
	t.Cleanup(p.Kill)
	return p
}

// URL returns the URL of the database "postgres" for a superuser, the same after
// every Start.
func (p *PostgresServer) URL() string {
	return "postgres://wosool@" + net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) + "/postgres?sslmode=disable"
}

// Start starts the stopped or killed server again, on its port and with its data.
func (p *PostgresServer) Start() {
	p.t.Helper()
	if p.running != nil {
		return
	}
	if err := p.start(); err != nil {
		p.t.Fatalf("start PostgreSQL again: %v", err)
	}
}

// Stop ends the server as an orderly shutdown does: connections are closed,
// what is committed stays. Stopping twice is fine.
func (p *PostgresServer) Stop() { p.end(syscall.SIGINT) }

// Kill ends the server as a crash does: at once, to be recovered at the next Start.
func (p *PostgresServer) Kill() {
	// SIGQUIT, not SIGKILL, under which the sessions' processes would live on
	// for a while, hold the data folder and refuse a new Start.
	p.end(syscall.SIGQUIT)
}

func (p *PostgresServer) end(signal syscall.Signal) {
	if p.running == nil {
		return
	}
	p.running.end(signal)
	p.running = nil
}

func (p *PostgresServer) start() error {
	// Ended by Stop, Kill and the test's end, after which its context is over.
	cmd := p.command(context.Background(), "postgres", "-D", p.data, "-p", strconv.Itoa(p.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=100",
		"-c", "fsync=off", "-c", "autovacuum=off")
	running, err := startProcess(cmd, "database system is ready to accept connections")
	if err != nil {
		return err
	}
	p.running = running
	return nil
}

// makeData makes the data folder: a copy of the one that scripts/services has
// prepared, or else by initdb, which takes a second.
func (p *PostgresServer) makeData() {
	p.t.Helper()
	parent := os.Getenv("WOSOOL_POSTGRES_DIR") // reachable for PostgreSQL's user
	dir, err := os.MkdirTemp(parent, "wosool-postgres-")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if p.user != nil {
		if err := os.Chown(dir, int(p.user.Uid), int(p.user.Gid)); err != nil {
			p.t.Fatal(err)
		}
	}
	p.data = filepath.Join(dir, "data")
	prepare := p.command(p.t.Context(), "initdb", "-D", p.data, "-U", "wosool", "-A", "trust",
		"-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	if parent != "" {
		template := filepath.Join(parent, "template")
		if _, err := os.Stat(template); err == nil {
			prepare = exec.CommandContext(p.t.Context(), "cp", "-a", template, p.data)
		}
	}
	if out, err := prepare.CombinedOutput(); err != nil {
		p.t.Fatalf("make a PostgreSQL data folder: %v: %s", err, out)
	}
	trust := []byte("host all all 127.0.0.1/32 trust\n")
	if err := os.WriteFile(filepath.Join(p.data, "pg_hba.conf"), trust, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// command prepares one of the server's programs.
func (p *PostgresServer) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Dir = "/"
	cmd.SysProcAttr = childOf(p.user)
	return cmd
}

// postgresBin returns the folder of PostgreSQL's programs, which Debian keeps
// out of PATH.
func postgresBin(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("WOSOOL_POSTGRES_BIN"); dir != "" {
		return dir
	}
	newest, dir := 0, ""
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, bin := range installed {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
		if err == nil && version > newest {
			newest, dir = version, bin
		}
	}
	if dir == "" {
		dir = filepath.Dir(program(t, "postgres"))
	}
	return dir
}

// postgresUser returns whom PostgreSQL runs as if we are root.
func postgresUser(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		found, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatalf("find a user for PostgreSQL, which does not run as root: %v", err)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		t.Fatal(fmt.Errorf("user id of %s: %w", found.Username, err))
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		t.Fatal(fmt.Errorf("group id of %s: %w", found.Username, err))
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
