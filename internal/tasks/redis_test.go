package tasks

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// Every scheme gives Asynq the client that OpenRedis would make.
func TestConnOptSchemes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, address string
		cluster       bool
		addrs         []string
		user, pass    string
		db            int
		tls           bool
	}{
		{name: "redis", address: "redis://u:p@host:6380/3", addrs: []string{"host:6380"}, user: "u", pass: "p", db: 3},
		{name: "rediss", address: "rediss://:p@host:6380", addrs: []string{"host:6380"}, pass: "p", tls: true},
		{name: "sentinel", address: "redis-sentinel://:p@a:26379,b:26379/?master=main", addrs: []string{"FailoverClient"}, pass: "p"},
		{name: "cluster", address: "redis-cluster://u:p@a:7000,b:7000", cluster: true, addrs: []string{"a:7000", "b:7000"}, user: "u", pass: "p"},
		{name: "cluster with one address", address: "redis-cluster://a:7000", cluster: true, addrs: []string{"a:7000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opt, err := ConnOpt(c.address)
			if err != nil {
				t.Fatal(err)
			}
			made, ok := opt.MakeRedisClient().(redis.UniversalClient)
			if !ok {
				t.Fatalf("%T is not a client that Asynq takes", made)
			}
			defer func() { _ = made.Close() }()

			type seen struct {
				Cluster    bool
				Addrs      []string
				User, Pass string
				DB         int
				TLS        bool
			}
			var got seen
			switch client := made.(type) {
			case *redis.Client:
				o := client.Options()
				got = seen{false, []string{o.Addr}, o.Username, o.Password, o.DB, o.TLSConfig != nil}
			case *redis.ClusterClient:
				o := client.Options()
				got = seen{true, o.Addrs, o.Username, o.Password, 0, o.TLSConfig != nil}
			}
			want := seen{c.cluster, c.addrs, c.user, c.pass, c.db, c.tls}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestConnOptRefuses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://hunter2", "redis-sentinel://:hunter2@a:26379", "redis://a:b:hunter2", "://hunter2"} {
		for name, open := range map[string]func(string) error{
			"ConnOpt":   func(a string) error { _, err := ConnOpt(a); return err },
			"OpenRedis": func(a string) error { _, err := OpenRedis(a); return err },
		} {
			err := open(address)
			if !errors.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s(%q): got %v, want fault.Invalid without the value", name, address, err)
			}
		}
	}
}

func TestConnOptReachesRedis(t *testing.T) {
	t.Parallel()
	opt, err := ConnOpt(dbtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	client := asynq.NewClient(opt)
	defer func() { _ = client.Close() }()
	if err := client.Ping(); err != nil {
		t.Error(err)
	}
}
