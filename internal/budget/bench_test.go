package budget_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/dbtest"
)

// What every call to Salla pays.
func BenchmarkTakeAndObserve(b *testing.B) {
	opts, err := redis.ParseURL(dbtest.Redis(b))
	if err != nil {
		b.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	defer rdb.Close()
	fleet := budget.New(rdb)
	n := 0
	for b.Loop() {
		n++
		call, err := fleet.Take(b.Context(), int64(n/5000), budget.Live, 6000)
		if err != nil {
			b.Fatal(err)
		}
		fleet.Observe(b.Context(), call, budget.Answer{Limit: 6000, Remaining: 6000 - n%5000 - 1, Reset: time.Now().Add(time.Minute)})
	}
	b.StopTimer()
	b.Log(rdb.Info(b.Context(), "commandstats").Val())
}

func BenchmarkPing(b *testing.B) {
	opts, err := redis.ParseURL(dbtest.Redis(b))
	if err != nil {
		b.Fatal(err)
	}
	rdb := redis.NewClient(opts)
	defer rdb.Close()
	for b.Loop() {
		rdb.Ping(b.Context())
	}
}
