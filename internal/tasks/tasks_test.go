package tasks

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestKinds(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	for i, p := range payloads() {
		task, err := New(Ref{Kind: p.Kind(), ID: id, Epoch: 3, Lane: LaneEvents})
		if err != nil {
			t.Fatalf("%s: %v", p.Kind(), err)
		}
		if task.Type() != p.Kind() {
			t.Errorf("type = %s, want %s", task.Type(), p.Kind())
		}
		policy := p.Policy()
		if policy.Timeout <= 0 || policy.Attempts <= 0 || policy.Backoff <= 0 || policy.Max < policy.Backoff {
			t.Errorf("%s has no whole policy: %+v", p.Kind(), policy)
		}
		for j, q := range payloads() {
			if i != j && strings.HasPrefix(q.Kind(), p.Kind()) {
				t.Errorf("%s is a prefix of %s", p.Kind(), q.Kind())
			}
		}
	}
	if _, err := New(Ref{Kind: "tenant:paint", ID: id}); err == nil {
		t.Error("an unknown kind made a task")
	}
}

func TestTaskID(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("0192f0c1-7a5e-7c3b-8f00-000000000001")
	got := Ref{Kind: "import:page", ID: id, Epoch: 4}.TaskID()
	if want := "import:page:0192f0c1-7a5e-7c3b-8f00-000000000001:4"; got != want {
		t.Errorf("task id = %s, want %s", got, want)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	p := Policy{Backoff: time.Second, Max: 5 * time.Second}
	var got []time.Duration
	for failed := 1; failed <= 5; failed++ {
		got = append(got, p.Delay(failed))
	}
	want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}
	if !slices.Equal(got, want) {
		t.Errorf("delays = %v, want %v", got, want)
	}
}

func TestOpenRedis(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, address string
		wantErr       bool
	}{
		{"plain", "redis://:secret@localhost:6379/2", false},
		{"tls", "rediss://localhost:6379", false},
		{"sentinel", "redis-sentinel://a:26379,b:26379/?master=main", false},
		{"sentinel without a master", "redis-sentinel://a:26379", true},
		{"cluster", "redis-cluster://a:6379,b:6379", false},
		{"another scheme", "http://secret@a", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rdb, err := OpenRedis(tt.address)
			if (err != nil) != tt.wantErr {
				t.Fatalf("error = %v, want error: %v", err, tt.wantErr)
			}
			if err != nil {
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error shows the address: %v", err)
				}
				return
			}
			if err := rdb.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVersionOf(t *testing.T) {
	t.Parallel()
	task, err := New(Ref{Kind: "import:page", ID: uuid.New(), Epoch: 3, Lane: LaneImports})
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[string]int{
		string(task.Payload()): Version,
		`{"id":"x"}`:           1,
		`{"v":0}`:              1,
		`{"v":2,"more":[1]}`:   2,
		`{"v":"x"}`:            1,
		`{`:                    1,
		``:                     1,
	} {
		if got := VersionOf([]byte(payload)); got != want {
			t.Errorf("the version of %s is %d, want %d", payload, got, want)
		}
	}
}
