package tenantdb_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/tenantdb"
)

// column is a column as the database has it, in the blueprint's terms.
type column struct {
	Name, Type, Default string
	NotNull             bool
	RequiredLive        bool
	Unique              bool
	Options             string
	References          string
}

// TestModelIsTheBlueprint reads every table back and compares it, column by
// column, with what the blueprint says and with the bookkeeping that is ours.
func TestModelIsTheBlueprint(t *testing.T) {
	t.Parallel()
	_, c := newDB(t)
	model, err := blueprint.Load()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := model.Tables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		want := bookkeeping(table.Name)
		for _, m := range table.Columns {
			want[m.Name] = column{
				Name: m.Name, Type: m.SQLType, Default: text(t, m.Default), NotNull: m.NotNull,
				RequiredLive: m.RequiredLive, Unique: m.Unique, Options: strings.Join(m.Options, " "), References: m.References,
			}
		}
		got := columns(t, c, table.Name)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-blueprint +database):\n%s", table.Name, diff)
		}
	}
}

func TestEveryTableIsThere(t *testing.T) {
	t.Parallel()
	_, c := newDB(t)
	got := value(t, c, `SELECT string_agg(table_name, ' ' ORDER BY table_name)
		FROM information_schema.tables WHERE table_schema = 'public'`)
	want := "agent_settings communication_logs company import_pages members model_migrations opportunities order_refunds " +
		"people pipeline_stages pipelines rejects role_permissions roles salla_carts salla_orders salla_products settings " +
		"voice_calls workflow_executions workflows"
	if diff := cmp.Diff(strings.Fields(want), strings.Fields(got)); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	bare := value(t, c, `SELECT string_agg(r.relname || '.' || a.attname, ' ')
		FROM pg_constraint k
		JOIN pg_class r ON r.oid = k.conrelid
		JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
		WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace AND r.relname NOT IN ('members')
			AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indkey[0] = k.conkey[1])`)
	if bare != "<null>" {
		t.Errorf("foreign keys without an index: %s", bare)
	}
}

func TestIDsAreOrderedUUIDv7(t *testing.T) {
	t.Parallel()
	_, c := newDB(t)
	got := value(t, c, `SELECT id FROM (SELECT uuid_v7() AS id) x`)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(got) {
		t.Errorf("%s is no UUIDv7", got)
	}
	off := value(t, c, `SELECT abs(('x' || left(replace(uuid_v7()::text, '-', ''), 12))::bit(48)::bigint
		- extract(epoch FROM clock_timestamp()) * 1000) < 1000`)
	if off != "true" {
		t.Error("the id does not carry the time")
	}
}

// Each column that a shape may fill is the blueprint's or known bookkeeping.
func TestShapesFillKnownColumns(t *testing.T) {
	t.Parallel()
	_, c := newDB(t)
	for _, s := range tenantdb.Shapes() {
		got := columns(t, c, s.Table)
		for _, name := range slices.Concat(s.Columns, []string{s.Key, s.Document, s.Hash}) {
			if _, ok := got[name]; !ok {
				t.Errorf("%s %s fills %s.%s, which does not exist", s.Resource, s.Document, s.Table, name)
			}
		}
	}
}

// bookkeeping lists the columns that are not the model's.
func bookkeeping(table string) map[string]column {
	const at = "timestamp with time zone"
	m := map[string]column{
		"id":         {Name: "id", Type: "uuid", Default: "uuid_v7()", NotNull: true},
		"created_at": {Name: "created_at", Type: at, Default: "now()", NotNull: true},
		"updated_at": {Name: "updated_at", Type: at, Default: "now()", NotNull: true},
	}
	add := func(typ string, names ...string) {
		for _, n := range names {
			m[n] = column{Name: n, Type: typ}
		}
	}
	switch table {
	case "opportunities":
		add(at, "deleted_at")
	case "people", "salla_products", "salla_orders", "salla_carts":
		add(at, "deleted_at", "source_updated_at", "read_at")
		add("jsonb", "source_document", "source_detail", "source_event")
		add("bytea", "source_hash", "detail_hash", "event_hash")
		add("uuid", "seen_run")
	}
	if table == "salla_orders" {
		add("jsonb", "source_items")
		add("bytea", "items_hash", "detail_list_hash")
		add("uuid", "detail_run")
	}
	if table == "salla_carts" {
		m["left_list"] = column{Name: "left_list", Type: "boolean", Default: "false", NotNull: true}
	}
	return m
}

// columns reads a table from the catalog.
func columns(t *testing.T, c *pgx.Conn, table string) map[string]column {
	t.Helper()
	rows, _ := c.Query(t.Context(), `
		SELECT i.column_name AS name, i.data_type AS type, coalesce(i.column_default, '') AS default,
			i.is_nullable = 'NO' AS not_null,
			EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = format('%s_%s_required', c.relname, i.column_name)
				AND pg_get_constraintdef(k.oid) = format('CHECK (((deleted_at IS NOT NULL) OR (%I IS NOT NULL)))', i.column_name)) AS required_live,
			EXISTS (SELECT FROM pg_indexes x WHERE x.tablename = c.relname AND x.indexname = format('%s_%s_key', c.relname, i.column_name)
				AND x.indexdef LIKE 'CREATE UNIQUE INDEX %' AND x.indexdef LIKE format('%% (%s) WHERE (%s IS NOT NULL)', i.column_name, i.column_name)) AS unique,
			coalesce((SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
				WHERE k.conrelid = c.oid AND k.conname = format('%s_%s_check', c.relname, i.column_name)), '') AS options,
			coalesce((SELECT k.confrelid::regclass::text FROM pg_constraint k
				WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conname = format('%s_%s_fkey', c.relname, i.column_name)), '') AS references
		FROM information_schema.columns i
		JOIN pg_class c ON c.oid = format('public.%I', i.table_name)::regclass
		WHERE i.table_schema = 'public' AND i.table_name = $1`, table)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[column])
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Errorf("there is no table %s", table)
	}
	literal := regexp.MustCompile(`'([^']*)'::text`)
	m := map[string]column{}
	for _, f := range found {
		if d, typed, ok := strings.Cut(f.Default, "::"); ok && (typed == "text" || typed == "jsonb") {
			f.Default = strings.Trim(d, "'")
		}
		var options []string
		for _, o := range literal.FindAllStringSubmatch(f.Options, -1) {
			options = append(options, o[1])
		}
		f.Options = strings.Join(options, " ")
		m[f.Name] = f
	}
	return m
}

// text writes a default as the database does.
func text(t *testing.T, v any) string {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return ""
	case string, bool, json.Number:
		return fmt.Sprint(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), ",", ", ")
}
