package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// secret returns n random bytes in hex.
func secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b)
}

// webhookSecret returns a secret as Svix makes them.
func webhookSecret() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

// freeAddr asks the kernel for a port on loopback that nobody uses now.
func freeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	addr := l.Addr().String()
	return addr, l.Close()
}

// fleet is the processes that the demo runs. Their logs are in folder.
type fleet struct {
	bin, folder string
	env         []string
	mu          sync.Mutex
	running     []*process
}

type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// binary finds one of our programs beside this one.
func (f *fleet) binary(name string) string { return filepath.Join(f.bin, name) }

// once runs a program to its end.
func (f *fleet) once(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, f.binary(name), args...)
	cmd.Env = f.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// start runs a program in the background. Its end before the fleet's is told on
// the channel that died returns.
func (f *fleet) start(label, program string, env ...string) error {
	log, err := os.Create(filepath.Join(f.folder, label+".log"))
	if err != nil {
		return fmt.Errorf("start %s: %w", label, err)
	}
	cmd := exec.Command(f.binary(program)) //nolint:noctx // it is stopped by signal, and awaited, in stop
	cmd.Env = append(append([]string{}, f.env...), env...)
	cmd.Stdout, cmd.Stderr = log, log
	// A Ctrl-C in the terminal is for this process; it stops the others in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", label, err), log.Close())
	}
	p := &process{name: label, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = errors.Join(cmd.Wait(), log.Close())
		close(p.done)
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = append(f.running, p)
	return nil
}

// died names a process that ended by itself, with the last line it wrote.
func (f *fleet) died() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.running {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended by itself (%w): %s", p.name, p.err, f.lastLine(p.name))
		default:
		}
	}
	return nil
}

func (f *fleet) lastLine(label string) string {
	raw, err := os.ReadFile(filepath.Join(f.folder, label+".log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return lines[len(lines)-1]
}

// stop ends every process, newest first, and waits for it.
func (f *fleet) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.running {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	patience := time.After(35 * time.Second)
	for _, p := range f.running {
		select {
		case <-p.done:
		case <-patience:
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
	f.running = nil
}

// ready waits until an address answers 200.
func (f *fleet) ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return fmt.Errorf("wait for %s: %w", address, err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = resp.Body.Close()
			if err == nil && resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := f.died(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", address, ctx.Err())
		case <-tick.C:
		}
	}
}
