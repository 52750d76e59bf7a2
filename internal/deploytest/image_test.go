package deploytest

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// image is where TestMain put the programs, each under the stage that has it.
var image string //nolint:gochecknoglobals // set once, before any test runs

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "wosool-deploy-")
	if err == nil {
		image = folder
		err = build(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the programs as the image does:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// build runs the builds of the Dockerfile, on what Docker would be sent.
func build(folder string) error {
	src := filepath.Join(folder, "src")
	if err := buildContext(src); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return err
	}
	stages := parse(string(text))
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	for _, name := range []string{"build", "build-sandbox"} {
		command := strings.ReplaceAll(stages[name].run, "/out/", filepath.Join(folder, name)+"/")
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Dir = src
		cmd.Env = os.Environ()
		for _, line := range stages["source"].env {
			line = strings.NewReplacer("$TARGETOS", runtime.GOOS, "$TARGETARCH", runtime.GOARCH,
				"$VERSION", "v1.2.3", "$REVISION", "0123456789abcdef").Replace(line)
			for _, pair := range regexp.MustCompile(`([A-Z0-9_]+)=("[^"]*"|\S+)`).FindAllStringSubmatch(line, -1) {
				cmd.Env = append(cmd.Env, pair[1]+"="+strings.Trim(pair[2], `"`))
			}
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("stage %s: %s: %w: %s", name, command, err, out.String())
		}
	}
	return nil
}

// stage is one FROM of the Dockerfile and what follows it.
type stage struct {
	from, run, user string
	env, copies     []string
	instructions    []string
}

// parse reads the instructions that the Dockerfile uses.
func parse(text string) map[string]*stage {
	stages := map[string]*stage{}
	var current *stage
	text = regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, "")
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "":
			continue
		case "FROM":
			fields := strings.Fields(rest)
			current = &stage{from: fields[len(fields)-3]}
			stages[fields[len(fields)-1]] = current
		case "RUN":
			current.run = rest
			if _, arguments, found := strings.Cut(rest, "go build"); found { // without the builder's mounts
				current.run = "go build" + arguments
			}
		case "ENV":
			current.env = append(current.env, rest)
		case "COPY":
			current.copies = append(current.copies, rest)
		case "USER":
			current.user = rest
		}
		current.instructions = append(current.instructions, instruction)
	}
	return stages
}

func stagesOf(t *testing.T) map[string]*stage {
	t.Helper()
	return parse(read(t, "Dockerfile"))
}

func TestStages(t *testing.T) {
	t.Parallel()
	stages := stagesOf(t)
	if got := names(stages); !slices.Equal(got, []string{"base", "build", "build-sandbox", "sandbox", "source", "wosool"}) {
		t.Fatalf("stages %v", got)
	}
	for name, s := range stages {
		if _, own := stages[s.from]; !own && s.from != "scratch" && !regexp.MustCompile(`^golang:\d+\.\d+\.\d+-[a-z]+$`).MatchString(s.from) {
			t.Errorf("stage %s is from %s, which is not pinned", name, s.from)
		}
		for _, instruction := range s.instructions {
			if slices.Contains([]string{"ENTRYPOINT", "CMD", "ADD", "VOLUME"}, instruction) {
				t.Errorf("stage %s has %s: services say what they run", name, instruction)
			}
		}
	}
	// Both images are a stage of programs on the same base, and nothing else but the
	// spool's folder, which the run user owns.
	for name, copies := range map[string][]string{
		"wosool":  {"--from=build /out/ /bin/", "--from=source --chown=65532:65532 /state/ /var/lib/wosool/"},
		"sandbox": {"--from=build-sandbox /out/ /bin/"},
	} {
		s := stages[name]
		if s.from != "base" || !slices.Equal(s.copies, copies) || s.run != "" {
			t.Errorf("image %s: %+v", name, s)
		}
	}
	base := stages["base"]
	if base.from != "scratch" || base.user != "65532:65532" || len(base.copies) != 1 || !strings.Contains(base.copies[0], "ca-certificates.crt") {
		t.Errorf("the base is %+v", base)
	}
	if !strings.HasSuffix(strings.TrimSpace(read(t, "Dockerfile")), "EXPOSE 8080 8081") {
		t.Error("the product's image is not the default: its stage is not the last")
	}
}

// The Go of the image is the one that the module asks for, or newer.
func TestGoOfTheImage(t *testing.T) {
	t.Parallel()
	wants := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if from := stagesOf(t)["source"].from; wants == nil || !strings.HasPrefix(from, "golang:"+wants[1]+".") {
		t.Errorf("built by %s, go.mod says %v", from, wants)
	}
}

// The programs need nothing of the image, know their version, and hold the time
// zones; each service runs one that its image has.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for stage, want := range map[string][]string{"build": {"api", "worker", "wosool"}, "build-sandbox": {"sandbox"}} {
		entries, err := os.ReadDir(filepath.Join(image, stage))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
			static(t, filepath.Join(image, stage, e.Name()))
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("stage %s has %v, want %v", stage, got, want)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(image, "build", "wosool"), "version", "--json")
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), `"v1.2.3"`) || !strings.Contains(string(out), `"0123456789abcdef"`) {
		t.Errorf("the version: %v, %s", err, out)
	}
	zones, err := os.ReadFile(filepath.Join(image, "build", "api"))
	if err != nil || !bytes.Contains(zones, []byte("Asia/Riyadh")) {
		t.Errorf("the api has no time zones: %v", err)
	}
	for name, s := range raw(t).Services {
		if s.Build == nil {
			continue
		}
		stage := map[string]string{"wosool": "build", "sandbox": "build-sandbox"}[s.Build.Target]
		if len(s.Entrypoint) == 0 {
			t.Errorf("%s does not say what it runs", name)
			continue
		}
		if _, err := os.Stat(filepath.Join(image, stage, filepath.Base(s.Entrypoint[0]))); err != nil || filepath.Dir(s.Entrypoint[0]) != "/bin" {
			t.Errorf("%s runs %v, which its image does not have: %v", name, s.Entrypoint, err)
		}
		if s.Build.Args["VERSION"] == "" || s.Build.Context != "." {
			t.Errorf("%s is built with %+v", name, s.Build)
		}
	}
}

// static fails where a program would look for a loader or a library.
func static(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s is not static", filepath.Base(path))
		}
	}
}

// Nothing of the tests, the history or anybody's settings is sent to the build.
func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	if err := filepath.WalkDir(filepath.Join(image, "src"), func(path string, e os.DirEntry, err error) error {
		name := e.Name()
		if strings.HasSuffix(name, "_test.go") || name == ".git" || strings.HasPrefix(name, ".env") || name == "dbtest" || name == "systemtest" {
			t.Errorf("%s is sent to the build", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".env", "cmd/.env", "secrets/keyset", "internal/store/store_test.go", "bin/api"} {
		if rules := strings.Split(read(t, ".dockerignore"), "\n"); sent(slices.DeleteFunc(rules, func(r string) bool {
			return r == "" || strings.HasPrefix(r, "#")
		}), name) {
			t.Errorf("%s would be sent to the build", name)
		}
	}
}
