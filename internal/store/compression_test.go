package store

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/migrations"
)

// Days to come are compressed as the parent is, and the change waits for no reader of
// a day that is there.
func TestDaysToComeAreCompressedLikeTheParent(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`ALTER TABLE event_payloads ALTER COLUMN payload SET COMPRESSION default, ALTER COLUMN body SET COMPRESSION default`)
	now := time.Now()
	if err := db.EnsurePartitions(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	reader, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Rollback(t.Context()) }()
	day := partitionPrefix + now.UTC().Format(partitionLayout)
	if _, err := reader.Exec(t.Context(), `SELECT FROM `+day); err != nil {
		t.Fatal(err)
	}
	file, err := fs.ReadFile(migrations.Control, "control/00011_payload_compression.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, sql, _ := strings.Cut(string(file), "-- +goose StatementBegin")
	sql, _, _ = strings.Cut(sql, "-- +goose StatementEnd")

	exec(sql)
	if err := db.EnsurePartitions(t.Context(), now.Add(partitionDay)); err != nil {
		t.Fatal(err)
	}

	const columns = `SELECT count(*) FROM pg_attribute WHERE attrelid = $1::regclass AND attname IN ('payload', 'body') AND attcompression = 'l'`
	for table, want := range map[string]int{
		"event_payloads": 2, day: 0, partitionPrefix + now.UTC().Add((partitionsAhead+1)*partitionDay).Format(partitionLayout): 2,
	} {
		if got := counted(t, db, columns, table); got != want {
			t.Errorf("%s: %d columns with lz4, want %d", table, got, want)
		}
	}
}
