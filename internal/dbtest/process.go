package dbtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a server may take to accept connections.
const startTimeout = 30 * time.Second

// errPortTaken says that a server ended because its port is in use.
var errPortTaken = errors.New("the port is taken")

// process is a server that this test started. It dies with the test process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	out  *output
}

// startProcess starts cmd and waits until it prints ready.
func startProcess(cmd *exec.Cmd, ready string) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{}), out: &output{}}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	started := make(chan error)
	go func() {
		// The kernel ends a child with the thread that started it, not with the
		// process: this thread stays until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is of no interest: it was told to, or its output says why
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !bytes.Contains(p.out.bytes(), []byte(ready)) {
		select {
		case <-tick.C:
		case <-p.done:
			if bytes.Contains(bytes.ToLower(p.out.bytes()), []byte("address already in use")) {
				return nil, errPortTaken
			}
			return nil, fmt.Errorf("%s ended: %s", cmd.Path, p.out.bytes())
		case <-deadline.C:
			p.end(syscall.SIGKILL)
			return nil, fmt.Errorf("%s did not accept connections within %v: %s", cmd.Path, startTimeout, p.out.bytes())
		}
	}
	return p, nil
}

// end sends a signal and waits until the process is gone, if it is not yet.
func (p *process) end(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
	case <-time.After(cleanupTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// output keeps what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) bytes() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.buf.Bytes())
}

// freePort returns a loopback port nobody listens on, below those that systems
// give to outgoing connections, so that it is still free after a restart.
func freePort(t testing.TB) int {
	t.Helper()
	var config net.ListenConfig
	for range 100 {
		port := 15000 + rand.IntN(17000)
		listener, err := config.Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = listener.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}

// firstStart starts a server on a free port: another one if somebody was faster.
func firstStart(t testing.TB, start func(port int) error) {
	t.Helper()
	var err error
	for range 5 {
		if err = start(freePort(t)); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		t.Fatalf("start a server for this test: %v", err)
	}
}

// program finds a server's program in PATH.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: this test starts a server of its own", name)
	}
	return path
}
