package store

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
)

// BenchmarkRetryDead measures how many failed events a second are retried, of a
// thousand merchants and a table that was never analyzed: run it with -benchtime=1x.
// WOSOOL_BENCH_DEAD says how many there are.
func BenchmarkRetryDead(b *testing.B) {
	rows := 200_000
	if text := os.Getenv("WOSOOL_BENCH_DEAD"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal("WOSOOL_BENCH_DEAD must be a whole number")
		}
		rows = n
	}
	db := New(dbtest.Control(b))
	if _, err := db.pool.Exec(b.Context(), `ALTER TABLE events SET (autovacuum_enabled = off)`); err != nil {
		b.Fatal(err)
	}
	for _, way := range []struct {
		name   string
		filter DeadFilter
	}{
		{"all", DeadFilter{}},
		{"text", DeadFilter{Reason: "answered"}},
	} {
		b.Run(way.name, func(b *testing.B) {
			if _, err := db.pool.Exec(b.Context(), `TRUNCATE events CASCADE`); err != nil {
				b.Fatal(err)
			}
			deadEvents(b, db, rows, 1000, "'Salla answered ' || n % 5 || ' in group ' || chr(65 + n % 26)")
			n, begun := 0, time.Now()
			for b.Loop() {
				for from := (DeadPlace{}); ; {
					batch, err := db.RetryDeadBatch(b.Context(), way.filter, DeadAct{By: Actor{Name: "op@example.com"}}, from)
					if err != nil {
						b.Fatal(err)
					}
					n, from = n+batch.Retried, batch.Next
					if batch.Done {
						break
					}
				}
			}
			b.ReportMetric(float64(n)/time.Since(begun).Seconds(), "rows/s")
		})
	}
}
