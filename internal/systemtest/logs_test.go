package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// A whole demo with everything logged, live events and all: no log holds a token,
// a secret, an e-mail or a phone number of the outside world, PostgreSQL's own
// among them.
func TestFaultDemoLogsNothingPrivate(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.start("--divide=40")
	d.awaits("The stores live now")
	// Errors of every kind are told, too: of tokens, of calls and of events.
	d.control(http.MethodPost, "/live", `{"on":true,"per_second":20}`)
	d.control(http.MethodPost, "/tokens/1305146701/expire", "")
	d.control(http.MethodPost, "/faults", `{"system":"salla","effect":"status","status":500,"probability":0.1}`)
	d.control(http.MethodPost, "/faults", `{"system":"accounts","effect":"truncate","merchant":1305146702,"count":1}`)
	d.control(http.MethodPost, "/tokens/1305146702/expire", "")
	d.control(http.MethodPost, "/stores/1305146703/uninstall", "")
	d.control(http.MethodPost, "/stores/1305146703/install", "")
	d.control(http.MethodPost, "/deliveries/raw", `{"body":"{\"event\":\"app.store.authorize\",\"data\":{\"access_token\":\"ory_at_cut"}`)
	dbtest.Eventually(t, 30*time.Second, "events and refreshes were worked on", func() bool {
		var ended, refreshed int
		err := d.pool.QueryRow(t.Context(), `
			SELECT (SELECT count(*) FROM events WHERE status IN ('applied', 'ignored', 'failed')),
			       (SELECT count(*) FROM connections WHERE refreshed_at IS NOT NULL OR refresh_unknown_at IS NOT NULL)`).Scan(&ended, &refreshed)
		return err == nil && ended > 60 && refreshed >= 2
	})
	var private sandbox.Private
	if err := json.Unmarshal(d.control(http.MethodGet, "/private", ""), &private); err != nil {
		t.Fatal(err)
	}
	d.stop()

	if len(private.Secrets) < 10 || len(private.Emails) < 150 || len(private.Phones) < 150 {
		t.Fatalf("the sandbox tells %d secrets, %d e-mails, %d phone numbers", len(private.Secrets), len(private.Emails), len(private.Phones))
	}
	logs := d.logs()
	lines := func(name string) int { return strings.Count(logs[name], "\n") }
	// How the workers divide the work is theirs.
	if api, one, two := lines("api.log"), lines("worker-1.log"), lines("worker-2.log"); api < 50 || min(one, two) < 10 || one+two < 100 {
		t.Errorf("the api's log has %d lines, the workers' %d and %d: not everything is logged", api, one, two)
	}
	for name, log := range logs {
		for _, leak := range leaks(log, private) {
			t.Errorf("%s holds %s", name, leak)
		}
	}
}

// nothingPrivate fails where a log of the processes holds what the sandbox says
// that none may.
func (s *system) nothingPrivate(t *testing.T) {
	t.Helper()
	private := s.sandbox.Private()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, log := range s.logs {
		for _, leak := range leaks(log.String(), private) {
			t.Errorf("the log of %s holds %s", name, leak)
		}
	}
}

// leaks finds what is private in a log and says what it is and where, not what it
// says.
func leaks(log string, private sandbox.Private) []string {
	// What is written otherwise where it is part of an address or of JSON.
	log = strings.NewReplacer("%40", "@", `\u0040`, "@", "%2B", "+", `\/`, "/").Replace(log)
	var found []string
	tell := func(kind string, at int) {
		from := strings.LastIndexByte(log[:at], '\n') + 1
		line := log[from:]
		if end := strings.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
		}
		before := line[:min(at-from, len(line))]
		found = append(found, fmt.Sprintf("%s after %.300q", kind, before))
	}
	for _, secret := range private.Secrets {
		if at := strings.Index(log, secret); at >= 0 {
			tell("a secret", at)
		}
		// The end of a token is as good as a token to whoever knows the rest.
		if half := secret[len(secret)/2:]; len(half) >= 20 {
			if at := strings.Index(log, half); at >= 0 {
				tell("half a secret", at)
			}
		}
	}
	address := regexp.MustCompile(`[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+`)
	for _, at := range address.FindAllStringIndex(log, -1) {
		if _, known := slices.BinarySearch(private.Emails, strings.ToLower(strings.Trim(log[at[0]:at[1]], "."))); known {
			tell("an e-mail", at[0])
		}
	}
	// Durations and ids are long numbers, too.
	other := regexp.MustCompile(`"(?:duration|time|took|latency|ts)":[0-9.]+|(?:duration|time)=\S+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	log = other.ReplaceAllStringFunc(log, func(text string) string { return strings.Repeat("x", len(text)) })
	number := regexp.MustCompile(`[0-9]{7,}`)
	for _, at := range number.FindAllStringIndex(log, -1) {
		digits := log[at[0]:at[1]]
		for size := 7; size <= min(len(digits), 12); size++ { // with or without the country's
			if _, known := slices.BinarySearch(private.Phones, digits[len(digits)-size:]); known && len(digits)-size <= 5 {
				tell("a phone number", at[0])
				break
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)[:min(len(slices.Compact(found)), 10)]
}

// demo is one run of `sandbox demo`, as `make demo` starts it.
type demo struct {
	t      *testing.T
	pool   *pgxpool.Pool // the control database
	folder string        // the run's, with the logs
	env    []string
	said   logged
	cmd    *exec.Cmd
	ended  chan error
	server int64 // how long PostgreSQL's log was before
}

func newDemo(t *testing.T) *demo {
	t.Helper()
	pool, url := dbtest.ControlURL(t)
	d := &demo{t: t, pool: pool, folder: t.TempDir(), ended: make(chan error, 1)}
	d.env = append(os.Environ(),
		"DATABASE_URL="+url, "TENANT_DATABASE_URLS="+dbtest.AdminURL(t), "REDIS_URL="+dbtest.Redis(t),
		"WOSOOL_RUN_DIR="+d.folder, "LOG_LEVEL=debug")
	if info, err := os.Stat(serverLog()); err == nil {
		d.server = info.Size()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		rows, err := pool.Query(ctx, `SELECT database_name, database_role FROM tenants WHERE database_name IS NOT NULL`)
		if err != nil {
			return
		}
		type made struct{ Database, Role string }
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[made])
		if err != nil {
			return
		}
		for _, m := range all {
			dbtest.Cleanup(t, []string{m.Database}, []string{m.Role})
		}
	})
	return d
}

// serverLog is where scripts/services has PostgreSQL write.
func serverLog() string { return filepath.Join(os.Getenv("WOSOOL_POSTGRES_DIR"), "log") }

func (d *demo) start(args ...string) {
	d.t.Helper()
	d.cmd = exec.Command(filepath.Join(bin, "sandbox"), append([]string{"demo", "--json"}, args...)...) //nolint:noctx // stop ends it
	d.cmd.Env = d.env
	d.cmd.Stdout, d.cmd.Stderr = &d.said, &d.said
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	d.t.Cleanup(func() { _ = d.cmd.Process.Signal(syscall.SIGTERM) })
}

// awaits waits until the demo says something.
func (d *demo) awaits(text string) {
	d.t.Helper()
	dbtest.Eventually(d.t, 90*time.Second, "the demo says: "+text, func() bool {
		select {
		case err := <-d.ended:
			d.ended <- err
			d.t.Fatalf("the demo ended: %v: %s", err, tail(d.said.String(), 20))
		default:
		}
		return strings.Contains(d.said.String(), text)
	})
}

// stop ends the demo as Ctrl-C does; its stores were all whole.
func (d *demo) stop() {
	d.t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGINT)
	select {
	case err := <-d.ended:
		if err != nil || !strings.Contains(d.said.String(), `"ok":true`) {
			d.t.Errorf("the demo ended with %v: %s", err, tail(d.said.String(), 20))
		}
	case <-time.After(60 * time.Second):
		_ = d.cmd.Process.Kill()
		d.t.Fatal("the demo does not end")
	}
}

// control calls the sandbox's own API.
func (d *demo) control(method, path, body string) []byte {
	d.t.Helper()
	base := regexp.MustCompile(`sandbox at (http://[0-9.:]+)`).FindStringSubmatch(d.said.String())
	if base == nil {
		d.t.Fatalf("the demo does not say where the sandbox is: %s", tail(d.said.String(), 20))
	}
	req, err := http.NewRequestWithContext(d.t.Context(), method, base[1]+"/_sandbox"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, raw, err)
	}
	return raw
}

// logs are all that the run wrote: its processes', its own output without what it
// prints for whoever started it, and PostgreSQL's since.
func (d *demo) logs() map[string]string {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.folder, "logs", "*.log"))
	if err != nil || len(files) < 3 {
		d.t.Fatalf("logs: %v %v", files, err)
	}
	all := map[string]string{"the demo's output": d.said.String()}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			d.t.Fatal(err)
		}
		all[filepath.Base(f)] = string(raw)
	}
	raw, err := os.ReadFile(serverLog())
	if err != nil {
		d.t.Logf("PostgreSQL's own log is not within reach: %v", err)
		return all
	}
	all["PostgreSQL's log"] = string(bytes.ToValidUTF8(raw[min(d.server, int64(len(raw))):], nil))
	return all
}
