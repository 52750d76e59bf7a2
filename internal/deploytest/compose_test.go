package deploytest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/config"
)

// processes are the services that read our settings.
func processes() map[string]config.Process {
	return map[string]config.Process{
		"api": config.API, "worker": config.Worker, "migrate": config.Wosool, "wosool": config.Wosool,
	}
}

func TestServices(t *testing.T) {
	t.Parallel()
	file := raw(t)

	want := []string{"api", "migrate", "postgres", "redis", "sandbox", "wosool", "worker"}
	slices.Sort(want)
	if d := cmp.Diff(want, names(file.Services)); d != "" {
		t.Error(d)
	}
	for name, profiles := range map[string][]string{"sandbox": {"sandbox"}, "wosool": {"tools"}, "api": nil, "worker": nil, "migrate": nil} {
		if d := cmp.Diff(profiles, file.Services[name].Profiles); d != "" {
			t.Errorf("profiles of %s: %s", name, d)
		}
	}
	if w := file.Services["worker"]; w.Deploy.Replicas < 2 || w.ContainerName != "" || len(w.Ports) > 0 {
		t.Error("worker can't be scaled: it has one replica, a name or a port of its own")
	}
}

// Images are pinned to a release; what we build is our own.
func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[a-z/]+:[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z]+)?$`)
	for name, s := range raw(t).Services {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %s is not pinned", name, s.Image)
		}
		if s.Build != nil && !strings.HasPrefix(s.Image, "wosool") {
			t.Errorf("%s is built as %s", name, s.Image)
		}
	}
}

// With a whole environment each process has settings that it starts with.
func TestSettingsAreWhole(t *testing.T) {
	t.Parallel()
	file := compose(t, complete())
	for name, p := range processes() {
		env := file.Services[name].Environment
		c, err := config.Load(p, func(n string) string { return env[n] })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p != config.Wosool && (len(c.TenantDatabaseURLs) != 1 || c.TenantDatabaseURLs[0] == c.DatabaseURL) {
			t.Errorf("%s: tenants' databases are made by the role of the control database", name)
		}
	}
}

// Every setting that is passed is one that the process reads; every one that it
// reads is passed, but for the clocks, whose defaults suit production.
func TestSettingsAreOurs(t *testing.T) {
	t.Parallel()
	clocks := []string{
		"LEASE_DURATION", "LEASE_RENEW_INTERVAL", "SWEEP_INTERVAL", "UNLEASED_AFTER", "LEADER_LEASE", "LEADER_RENEW_INTERVAL",
		"SCHEDULE_INTERVAL", "PRUNE_INTERVAL", "RECONCILE_INTERVAL", "TASK_CHECK_INTERVAL", "DELAYED_CHECK_INTERVAL", "REFRESH_DEADLINE",
		"CALL_DEADLINE", "CIRCUIT_PAUSE", "CIRCUIT_MAX_PAUSE", "CIRCUIT_MAX_RETRY_AFTER",
	}
	file := compose(t, complete())
	for name, p := range processes() {
		env := file.Services[name].Environment
		reads := map[string]bool{"GOMEMLIMIT": true} // the Go runtime's
		if _, err := config.Load(p, func(n string) string { reads[n] = true; return env[n] }); err != nil {
			t.Fatal(err)
		}
		for _, n := range config.Secrets() {
			reads[n+"_FILE"] = true
		}
		for n := range env {
			if !reads[n] {
				t.Errorf("%s gets %s, which it does not read", name, n)
			}
		}
		if p == config.Wosool {
			continue // it needs the databases, and no more
		}
		for n := range reads {
			base, isFile := strings.CutSuffix(n, "_FILE")
			_, passed := env[n]
			switch {
			case passed || slices.Contains(clocks, n):
			case isFile && strings.HasSuffix(base, "_URL") || isFile && base == "TENANT_DATABASE_URLS": // made of passwords, here
			case name == "api" && strings.HasPrefix(n, "WORKER_"):
			default:
				t.Errorf("%s does not get %s", name, n)
			}
		}
	}
}

// Whatever is required and missing is said, by Compose or by the process, and
// nothing secret has a default.
func TestNothingHasADefaultSecret(t *testing.T) {
	t.Parallel()
	for name := range complete() {
		env := complete()
		delete(env, name)
		if err := starts(t, env); err == nil && name != "ADMIN_API_KEY" {
			t.Errorf("without %s everything starts", name)
		} else if err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v, want it named", name, err)
		}
	}
	for _, m := range reference.FindAllStringSubmatch(read(t, "docker-compose.yml"), -1) {
		name, form, word := m[1], m[2], m[3]
		if regexp.MustCompile(`PASSWORD|SECRET|KEY`).MatchString(name) && form == ":-" && word != "" && word != "/dev/null" {
			t.Errorf("%s has a default", name)
		}
	}
}

func starts(t *testing.T, env map[string]string) error {
	t.Helper()
	file, err := interpolated(read(t, "docker-compose.yml"), env)
	if err != nil {
		return err
	}
	for name, p := range processes() {
		passed := file.Services[name].Environment
		if _, err := config.Load(p, func(n string) string { return passed[n] }); err != nil {
			return err
		}
	}
	return nil
}

// A secret may be a file of the host: it is mounted where NAME_FILE says.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	file := raw(t)
	var want []string
	env := complete()
	folder := t.TempDir()
	for _, name := range config.Secrets() {
		if strings.Contains(name, "_URL") {
			continue
		}
		want = append(want, strings.ToLower(name))
		path := filepath.Join(folder, strings.ToLower(name))
		if err := os.WriteFile(path, []byte(env[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		delete(env, name)
		env[name+"_FILE"] = path
	}
	slices.Sort(want)
	if d := cmp.Diff(want, names(file.Secrets)); d != "" {
		t.Error(d)
	}

	mounted := compose(t, env)
	for name, p := range processes() {
		s := mounted.Services[name]
		if got := slices.Sorted(slices.Values(s.Secrets)); !slices.Equal(got, want) {
			t.Errorf("%s has the secrets %v", name, got)
		}
		inside := func(n string) string {
			v := s.Environment[n]
			if rest, ok := strings.CutPrefix(v, "/run/secrets/"); ok {
				return mounted.Secrets[rest].File
			}
			return v
		}
		if _, err := config.Load(p, inside); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range compose(t, complete()).Secrets {
		if s.File != "/dev/null" {
			t.Errorf("without a file %s is mounted from %s", name, s.File)
		}
	}
}

func TestHealthIsProbed(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"api": "CMD /bin/api -healthcheck", "worker": "CMD /bin/worker -healthcheck", "sandbox": "CMD /bin/sandbox health",
		"postgres": "CMD pg_isready -h 127.0.0.1 -U wosool_app -d wosool",
		"redis":    `CMD-SHELL REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG`,
	}
	for name, s := range compose(t, complete()).Services {
		h := s.Healthcheck
		switch {
		case h == nil:
			t.Errorf("%s has no health check", name)
		case name == "migrate" || name == "wosool":
			if !h.Disable || s.Restart != "no" {
				t.Errorf("%s ends by itself, and is probed or restarted", name)
			}
		case strings.Join(h.Test, " ") != want[name] || h.Retries == 0 || h.Interval == "" || h.Timeout == "":
			t.Errorf("%s is probed by %q", name, h.Test)
		case s.Restart != "unless-stopped":
			t.Errorf("%s is not restarted", name)
		}
	}
}

// Nobody is killed while it still hands its work back.
func TestGrace(t *testing.T) {
	t.Parallel()
	file := compose(t, complete())
	for name, s := range file.Services {
		grace, err := time.ParseDuration(s.StopGrace)
		if err != nil {
			t.Errorf("%s: stop_grace_period %q", name, s.StopGrace)
			continue
		}
		p, ours := processes()[name]
		if !ours {
			continue
		}
		c, err := config.Load(p, func(n string) string { return s.Environment[n] })
		if err != nil {
			t.Fatal(err)
		}
		if p != config.Wosool && grace < c.Grace+10*time.Second {
			t.Errorf("%s is killed after %s, its own grace is %s", name, grace, c.Grace)
		}
		standard, err := config.Load(p, func(n string) string {
			if n == "SHUTDOWN_GRACE" {
				return ""
			}
			return s.Environment[n]
		})
		if err != nil || standard.Grace != c.Grace {
			t.Errorf("%s: a grace of %s, the default is %s: %v", name, c.Grace, standard.Grace, err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	file := compose(t, complete())
	for name, s := range file.Services {
		l := s.Deploy.Resources.Limits
		if cpus, err := strconv.ParseFloat(l.CPUs, 64); err != nil || cpus <= 0 || l.Pids == 0 {
			t.Errorf("%s has no limit of processors or processes: %+v", name, l)
		}
		memory := bytesOf(t, l.Memory)
		if soft := s.Environment["GOMEMLIMIT"]; soft != "" && bytesOf(t, soft)*10 > memory*9 {
			t.Errorf("%s: GOMEMLIMIT %s leaves no room below %s", name, soft, l.Memory)
		}
	}
	redis := regexp.MustCompile(`(?m)^maxmemory (\d+mb)$`).FindStringSubmatch(read(t, "deploy/redis/redis.conf"))
	if redis == nil || bytesOf(t, redis[1])*3 > bytesOf(t, file.Services["redis"].Deploy.Resources.Limits.Memory)*2 {
		t.Errorf("Redis may use %v of %s", redis, file.Services["redis"].Deploy.Resources.Limits.Memory)
	}
	most := regexp.MustCompile(`max_connections=(\d+)`).FindStringSubmatch(strings.Join(file.Services["postgres"].Command, " "))
	if most == nil {
		t.Fatal("postgres has the default max_connections")
	}
	room, err := strconv.Atoi(most[1])
	if err != nil {
		t.Fatal(err)
	}
	// The api's pool is 20, a worker's its concurrency and 10; each may hold
	// TENANT_CONNECTIONS to tenants' databases beside it.
	w := file.Services["worker"].Environment
	concurrency, err1 := strconv.Atoi(w["WORKER_CONCURRENCY"])
	tenants, err2 := strconv.Atoi(w["TENANT_CONNECTIONS"])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if need := 20 + tenants + file.Services["worker"].Deploy.Replicas*(concurrency+10+tenants) + 20; need > room {
		t.Errorf("the processes may open %d connections, PostgreSQL takes %d", need, room)
	}
}

func TestContainersAreHardened(t *testing.T) {
	t.Parallel()
	for name, s := range compose(t, complete()).Services {
		user, _, _ := strings.Cut(s.User, ":")
		if uid, err := strconv.Atoi(user); err != nil || uid == 0 {
			t.Errorf("%s runs as %q", name, s.User)
		}
		if !s.ReadOnly || s.Privileged || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || len(s.Tmpfs) == 0 {
			t.Errorf("%s is not hardened: %+v", name, s)
		}
	}
}

// PostgreSQL and Redis are reached by our own services only, and what is
// published is for this machine.
func TestNetworks(t *testing.T) {
	t.Parallel()
	file := compose(t, complete())
	if !file.Networks["data"].Internal {
		t.Error("the network of the databases leads outside")
	}
	for _, name := range []string{"postgres", "redis", "migrate", "wosool"} {
		if s := file.Services[name]; len(s.Ports) > 0 || !slices.Equal(s.Networks, []string{"data"}) {
			t.Errorf("%s: ports %v, networks %v", name, s.Ports, s.Networks)
		}
	}
	for name, port := range map[string]string{"api": "8080", "sandbox": "8090"} {
		s := file.Services[name]
		if len(s.Ports) != 1 || !strings.HasPrefix(s.Ports[0], "127.0.0.1:") || !strings.HasSuffix(s.Ports[0], ":"+port) {
			t.Errorf("%s publishes %v", name, s.Ports)
		}
		listens := s.Environment["HTTP_ADDR"] + s.Environment["SANDBOX_ADDR"]
		if _, own, err := net.SplitHostPort(listens); err != nil || own != port {
			t.Errorf("%s listens on %q and publishes %s", name, listens, port)
		}
	}
	if _, ok := file.Networks["outside"]; !ok || !slices.Contains(file.Services["worker"].Networks, "outside") {
		t.Error("the workers can't reach Salla")
	}
}

func TestVolumes(t *testing.T) {
	t.Parallel()
	file := compose(t, complete())
	if got := names(file.Volumes); !slices.Equal(got, []string{"api-spool", "postgres-data", "redis-data"}) {
		t.Errorf("volumes %v", got)
	}
	want := map[string][]string{
		"postgres": {"postgres-data:/var/lib/postgresql/data", "./deploy/postgres:/docker-entrypoint-initdb.d:ro"},
		"api":      {"api-spool:/var/lib/wosool/spool"},
		"wosool":   {"api-spool:/var/lib/wosool/spool:ro"},
		"redis":    {"redis-data:/data", "./deploy/redis/redis.conf:/etc/redis.conf:ro"},
	}
	for name, s := range file.Services {
		if d := cmp.Diff(want[name], s.Volumes); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		for _, v := range s.Volumes {
			host, _, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(host, "./") {
				continue
			}
			info, err := os.Stat(filepath.Join(root, host))
			if err != nil || info.Mode().Perm()&0o004 == 0 {
				t.Errorf("%s mounts %s, which its user can't read: %v", name, host, err)
			}
		}
	}
	// keyset drop looks where the api spools.
	if api, wosool := file.Services["api"].Environment["SPOOL_DIR"], file.Services["wosool"].Environment["SPOOL_DIR"]; api == "" || api != wosool {
		t.Errorf("the api spools in %q, wosool looks into %q", api, wosool)
	}
	if conf := read(t, "deploy/redis/redis.conf"); !strings.Contains(conf, "\ndir /data\n") {
		t.Error("Redis does not write to its volume")
	}
}

// Nothing works before the control database is migrated.
func TestOrder(t *testing.T) {
	t.Parallel()
	file := compose(t, complete())
	want := map[string]map[string]string{
		"migrate": {"postgres": "service_healthy", "redis": "service_healthy"},
		"api":     {"postgres": "service_healthy", "migrate": "service_completed_successfully"},
		"worker":  {"postgres": "service_healthy", "migrate": "service_completed_successfully"},
	}
	for name, s := range file.Services {
		got := map[string]string{}
		for on, d := range s.DependsOn {
			got[on] = d.Condition
		}
		if len(got) == 0 && len(want[name]) == 0 {
			continue
		}
		if d := cmp.Diff(want[name], got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// The reader of these tests refuses what Compose would read otherwise.
func TestInterpolation(t *testing.T) {
	t.Parallel()
	env := map[string]string{"A": "a", "E": ""}
	for text, want := range map[string]string{
		"${A:-x}${E:-x}${A:+y}${E:+y}$$A": "axy$A", "${A:?why}": "a", "${A}": "a",
		"${E:?why}": "!E is missing: why", "$A": "!", "${E}": "!E has no default",
	} {
		got, err := interpolate(text, env)
		if problem, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(fmt.Sprint(err), problem) {
				t.Errorf("%s: got %q, %v; want the error %q", text, got, err, problem)
			}
		} else if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
	}
}
