package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// healthTimeout is less than what a container's probe is given.
const healthTimeout = 3 * time.Second

// Healthcheck asks the process that listens on httpAddr, on this machine, for a
// path that answers 200 while it lives: the probe of images that have no shell.
// It returns the exit code, 0 or 1, and says on out why it is not 0.
func Healthcheck(ctx context.Context, httpAddr, path string, out io.Writer) int {
	if err := healthy(ctx, httpAddr, path); err != nil {
		fmt.Fprintln(out, "healthcheck:", err)
		return 1
	}
	return 0
}

var errNoAddress = errors.New("HTTP_ADDR should be an address to listen on such as :8080")

func healthy(ctx context.Context, httpAddr, path string) error {
	host, port, err := net.SplitHostPort(httpAddr)
	if err != nil {
		return errNoAddress
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // who listens everywhere listens there
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	address := "http://" + net.JoinHostPort(host, port) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return errNoAddress
	}
	// A transport of its own: no proxy of the environment stands before localhost.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: it answers %s", path, resp.Status)
	}
	return nil
}
