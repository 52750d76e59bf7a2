// Package deploytest holds Dockerfile, docker-compose.yml and deploy/ against
// the code: what they pass is what it reads, and what they describe works. It
// needs no Docker: the files are parsed, the image's programs are built as the
// image builds them, and the services run as processes.
package deploytest

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// root is the repository.
const root = "../.."

type composeFile struct {
	Services map[string]service        `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
	Networks map[string]composeNetwork `yaml:"networks"`
	Secrets  map[string]secret         `yaml:"secrets"`
}

type composeNetwork struct {
	Internal bool `yaml:"internal"`
}

type secret struct {
	File string `yaml:"file"`
}

type service struct {
	Image string `yaml:"image"`
	Build *struct {
		Context, Target string
		Args            map[string]string
	} `yaml:"build"`
	User          string            `yaml:"user"`
	Entrypoint    []string          `yaml:"entrypoint"`
	Command       []string          `yaml:"command"`
	Environment   map[string]string `yaml:"environment"`
	Volumes       []string          `yaml:"volumes"`
	Ports         []string          `yaml:"ports"`
	Networks      []string          `yaml:"networks"`
	Tmpfs         []string          `yaml:"tmpfs"`
	Secrets       []string          `yaml:"secrets"`
	Profiles      []string          `yaml:"profiles"`
	ReadOnly      bool              `yaml:"read_only"`
	CapDrop       []string          `yaml:"cap_drop"`
	CapAdd        []string          `yaml:"cap_add"`
	Privileged    bool              `yaml:"privileged"`
	SecurityOpt   []string          `yaml:"security_opt"`
	Restart       string            `yaml:"restart"`
	ContainerName string            `yaml:"container_name"`
	StopGrace     string            `yaml:"stop_grace_period"`
	DependsOn     map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck *struct {
		Test              []string `yaml:"test"`
		Interval, Timeout string
		Retries           int  `yaml:"retries"`
		Disable           bool `yaml:"disable"`
	} `yaml:"healthcheck"`
	Deploy struct {
		Replicas  int `yaml:"replicas"`
		Resources struct {
			Limits struct {
				CPUs   string `yaml:"cpus"`
				Memory string `yaml:"memory"`
				Pids   int    `yaml:"pids"`
			} `yaml:"limits"`
		} `yaml:"resources"`
	} `yaml:"deploy"`
}

// raw is the compose file as it is written.
func raw(t testing.TB) composeFile {
	t.Helper()
	var file composeFile
	if err := yaml.Unmarshal([]byte(read(t, "docker-compose.yml")), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// compose is the compose file as Compose sees it in an environment.
func compose(t testing.TB, env map[string]string) composeFile {
	t.Helper()
	file, err := interpolated(read(t, "docker-compose.yml"), env)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func interpolated(text string, env map[string]string) (file composeFile, err error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return file, err
	}
	if err := fill(&document, env); err != nil {
		return file, err
	}
	return file, document.Decode(&file)
}

// fill interpolates every value of a document.
func fill(n *yaml.Node, env map[string]string) error {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "$") {
		value, err := interpolate(n.Value, env)
		if err != nil {
			return err
		}
		n.Value = value
	}
	if n.Kind == yaml.AliasNode {
		return nil // filled where it stands
	}
	for _, child := range n.Content {
		if err := fill(child, env); err != nil {
			return err
		}
	}
	return nil
}

var reference = regexp.MustCompile(`\$\$|\$\{([A-Z_]+)(?:(:-|:\?|:\+)([^}]*))?\}|\$`)

// interpolate does what Compose does with the forms that the file uses. Others
// are errors, so that none goes by unseen.
func interpolate(text string, env map[string]string) (string, error) {
	var problem error
	out := reference.ReplaceAllStringFunc(text, func(found string) string {
		m := reference.FindStringSubmatch(found)
		name, form, word := m[1], m[2], m[3]
		switch {
		case found == "$$":
			return "$"
		case name == "":
			problem = fmt.Errorf("%q has a $ that Compose would read otherwise", text)
			return ""
		case form == ":+":
			if env[name] == "" {
				return ""
			}
			return word
		case env[name] != "":
			return env[name]
		case form == ":?":
			problem = errors.Join(problem, fmt.Errorf("%s is missing: %s", name, word))
		case form == "":
			problem = errors.Join(problem, fmt.Errorf("%s has no default, not even an empty one", name))
		}
		return word
	})
	return out, problem
}

// complete is an environment with all that the compose file asks for.
func complete() map[string]string {
	return map[string]string{
		"POSTGRES_PASSWORD": "c0ffee01", "WOSOOL_DB_PASSWORD": "c0ffee02", "WOSOOL_DB_ADMIN_PASSWORD": "c0ffee03", "REDIS_PASSWORD": "c0ffee04",
		"PUBLIC_URL": "https://wosool.example", "SALLA_CLIENT_ID": "client", "CLERK_ISSUER": "https://clerk.wosool.example",
		"SECRET_KEYSET": "eyJwcmltYXJ5S2V5SWQiOjF9", "SALLA_CLIENT_SECRET": "client-secret-of-compose", "SALLA_WEBHOOK_SECRET": "webhook-secret-of-compose",
		"CLERK_SECRET_KEY": "sk_test_0123456789abcdef", "CLERK_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
		"ADMIN_EMAIL": "noura@wosool.example", "ADMIN_PASSWORD": "a long password of hers", "ADMIN_API_KEY": "operator-key-0123456789abcdef",
	}
}

func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// bytesOf reads 512M, 1G or 400MiB.
func bytesOf(t testing.TB, size string) int64 {
	t.Helper()
	var n int64
	var unit string
	if _, err := fmt.Sscanf(strings.ToUpper(size), "%d%s", &n, &unit); err != nil {
		t.Fatalf("size %q: %v", size, err)
	}
	shift, ok := map[string]int{"K": 10, "M": 20, "G": 30}[strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")]
	if !ok {
		t.Fatalf("size %q has an unknown unit", size)
	}
	return n << shift
}

// sent tells whether .dockerignore lets a path into the build.
func sent(rules []string, path string) bool {
	in := true
	for _, rule := range rules {
		pattern, again := strings.CutPrefix(rule, "!")
		if ignores(pattern, path) {
			in = again
		}
	}
	return in
}

// ignores tells whether a pattern matches a path or a folder above it.
func ignores(pattern, path string) bool {
	quoted := regexp.QuoteMeta(strings.Trim(pattern, "/"))
	quoted = strings.ReplaceAll(quoted, `\*\*/`, `(.*/)?`)
	quoted = strings.ReplaceAll(quoted, `\*`, `[^/]*`)
	return regexp.MustCompile(`^` + quoted + `(/.*)?$`).MatchString(path)
}

// buildContext copies what Docker would be sent into a folder.
func buildContext(to string) error {
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return err
	}
	var rules []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			rules = append(rules, line)
		}
	}
	source := os.DirFS(root)
	return fs.WalkDir(source, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == ".git" || path == ".run" || path == "bin"):
			return fs.SkipDir
		case entry.IsDir() || !sent(rules, path) || !entry.Type().IsRegular():
			return nil
		}
		content, err := fs.ReadFile(source, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}
