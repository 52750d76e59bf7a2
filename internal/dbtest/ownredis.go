package dbtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// RedisServer is a Redis of one test: it may be stopped, killed and emptied. It
// appends to its file as production does, so that what it has survives a Stop.
type RedisServer struct {
	t       testing.TB
	program string
	dir     string
	port    int
	running *process
}

// OwnRedis starts a Redis for this test. It ends with the test.
func OwnRedis(t testing.TB) *RedisServer {
	t.Helper()
	r := &RedisServer{t: t, program: os.Getenv("WOSOOL_REDIS_SERVER"), dir: t.TempDir()}
	if r.program == "" {
		r.program = program(t, "redis-server")
	}
	firstStart(t, func(port int) error {
		r.port = port
		return r.start()
	})
	t.Cleanup(r.Kill)
	return r
}

// URL returns the server's URL, the same after every Start.
func (r *RedisServer) URL() string {
	return "redis://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) + "/0"
}

// Start starts the stopped or killed server again, on its port and with its data.
func (r *RedisServer) Start() {
	r.t.Helper()
	if r.running != nil {
		return
	}
	if err := r.start(); err != nil {
		r.t.Fatalf("start Redis again: %v", err)
	}
}

// Stop ends the server as an orderly shutdown does. Stopping twice is fine.
func (r *RedisServer) Stop() { r.end(syscall.SIGTERM) }

// Kill ends the server as a crash does.
func (r *RedisServer) Kill() { r.end(syscall.SIGKILL) }

// FlushAll empties the server: every key of every database is lost.
func (r *RedisServer) FlushAll(ctx context.Context) error {
	client := redisClient(r.t, r.URL())
	if err := client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("empty Redis: %w", err)
	}
	return nil
}

func (r *RedisServer) end(signal syscall.Signal) {
	if r.running == nil {
		return
	}
	r.running.end(signal)
	r.running = nil
}

func (r *RedisServer) start() error {
	// Ended by Stop, Kill and the test's end, after which its context is over.
	cmd := exec.CommandContext(context.Background(), r.program,
		"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--dir", r.dir, "--set-proc-title", "no",
		"--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction")
	cmd.SysProcAttr = childOf(nil)
	running, err := startProcess(cmd, "Ready to accept connections")
	if err != nil {
		return err
	}
	r.running = running
	return nil
}
