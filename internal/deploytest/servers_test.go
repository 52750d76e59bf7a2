package deploytest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/dbtest"
)

// servers are the compose file's PostgreSQL and Redis, as processes.
type servers struct {
	superuser string // URL of the database "postgres"
	postgres  string // host:port
	redis     string // host:port
}

// newServers starts a PostgreSQL that has run the scripts of a new volume, and
// the Redis of the compose file's command.
func newServers(t *testing.T, env map[string]string) servers {
	t.Helper()
	file := compose(t, env)
	s := servers{superuser: dbtest.OwnPostgres(t).URL()}
	u, err := url.Parse(s.superuser)
	if err != nil {
		t.Fatal(err)
	}
	s.postgres = u.Host
	scripts, err := filepath.Glob(filepath.Join(root, "deploy/postgres/*"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("deploy/postgres: %v, %v", scripts, err)
	}
	for _, script := range scripts {
		// As the image's entry point runs it.
		cmd := exec.CommandContext(t.Context(), psql(t), "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--no-password", "-f", script, s.superuser)
		cmd.Env = append(os.Environ(), variables(file.Services["postgres"].Environment)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	s.redis = startRedis(t, file.Services["redis"])
	return s
}

// psql is the client of the servers' PostgreSQL.
func psql(t *testing.T) string {
	t.Helper()
	if own := filepath.Join(os.Getenv("WOSOOL_POSTGRES_BIN"), "psql"); own != "psql" {
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	path, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("psql is not installed: the scripts of deploy/postgres are run by it")
	}
	return path
}

// startRedis runs the service's command on a port and in a folder of its own.
func startRedis(t *testing.T, s service) string {
	t.Helper()
	if len(s.Command) != 3 || s.Command[0] != "sh" || s.Command[1] != "-c" {
		t.Fatalf("redis runs %q, not a command of the shell", s.Command)
	}
	folder := t.TempDir()
	conf := filepath.Join(folder, "redis.conf")
	volume := strings.Replace(read(t, "deploy/redis/redis.conf"), "dir /data", "dir "+folder, 1)
	if err := os.WriteFile(conf, []byte(volume), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	_, port, _ := strings.Cut(addr, ":")
	script := strings.Replace(s.Command[2], "/etc/redis.conf", conf+" --port "+port+" --bind 127.0.0.1", 1)
	if server := os.Getenv("WOSOOL_REDIS_SERVER"); server != "" {
		script = strings.Replace(script, "redis-server", server, 1)
	}
	cmd := exec.Command(s.Command[0], s.Command[1], script) //nolint:noctx // the cleanup ends it
	cmd.Env = append(os.Environ(), variables(s.Environment)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		// The shell became the server: as process 1 of a container it gets the signal.
		if err := cmd.Wait(); err != nil {
			t.Errorf("redis ended with %v: %s", err, log)
		}
	})
	dbtest.Eventually(t, 20*time.Second, "Redis listens", func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		return err == nil && c.Close() == nil
	})
	client := redis.NewClient(&redis.Options{Addr: addr, Password: s.Environment["REDIS_PASSWORD"]})
	defer func() { _ = client.Close() }()
	dbtest.Eventually(t, 20*time.Second, "Redis answers who knows the password", func() bool {
		return client.Ping(t.Context()).Err() == nil
	})
	for name, want := range map[string]string{"maxmemory-policy": "noeviction", "appendonly": "yes"} {
		if got, err := client.ConfigGet(t.Context(), name).Result(); err != nil || got[name] != want {
			t.Errorf("Redis has %s %q, want %q: %v", name, got[name], want, err)
		}
	}
	stranger := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = stranger.Close() }()
	if err := stranger.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("Redis without the password: %v, want NOAUTH", err)
	}
	return addr
}

// environment is what a service gets, with the servers' addresses here.
func (s servers) environment(file composeFile, name string) []string {
	here := strings.NewReplacer("@postgres:5432", "@"+s.postgres, "@redis:6379", "@"+s.redis)
	var env []string
	for _, pair := range variables(file.Services[name].Environment) {
		env = append(env, here.Replace(pair))
	}
	return env
}

func variables(env map[string]string) []string {
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// connect opens a connection as a role to a database, or says why not.
func (s servers) connect(ctx context.Context, role, database string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://%s:x@%s/%s?sslmode=disable", role, s.postgres, database))
}

// query reads one value.
func query[T any](t *testing.T, c *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := c.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}
