package store

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// TenantFilter says which tenants a list has. Zero values do not filter.
type TenantFilter struct {
	Merchant *int64
	Status   string
	Q        string    // words of the name, or the beginning of domain, slug, merchant or id
	Cursor   uuid.UUID // the last id of the page before
	Limit    int
}

// Tenants returns up to f.Limit tenants, newest first.
func (db *DB) Tenants(ctx context.Context, f TenantFilter) ([]Tenant, error) {
	where, args := tenantConditions(f)
	args["limit"] = f.Limit
	// Served by tenants_pkey, tenants_status_idx or tenants_merchant_key.
	rows, err := db.pool.Query(ctx, `
		SELECT `+tenantColumns+`
		FROM tenants
		WHERE `+where+`
		ORDER BY id DESC
		LIMIT @limit`, args)
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Tenant])
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return list, nil
}

// TenantStats counts the tenants of each status.
func (db *DB) TenantStats(ctx context.Context) (map[string]int, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT status, count(*)
		FROM tenants
		GROUP BY status`)
	if err != nil {
		return nil, fmt.Errorf("count tenants: %w", err)
	}
	counts := map[string]int{}
	var (
		status string
		n      int
	)
	if _, err := pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		counts[status] = n
		return nil
	}); err != nil {
		return nil, fmt.Errorf("count tenants: %w", err)
	}
	return counts, nil
}

func tenantConditions(f TenantFilter) (string, pgx.NamedArgs) {
	where := []string{"true"}
	args := pgx.NamedArgs{}
	if f.Merchant != nil {
		where = append(where, "merchant = @merchant")
		args["merchant"] = *f.Merchant
	}
	if f.Status != "" {
		where = append(where, "status = @status")
		args["status"] = f.Status
	}
	if f.Cursor != uuid.Nil {
		where = append(where, "id < @cursor")
		args["cursor"] = f.Cursor
	}
	if q := strings.TrimSpace(f.Q); q != "" {
		// Each arm has an index of its own; OR over them would scan every row.
		arms := []string{"SELECT id FROM tenants WHERE slug LIKE @prefix"}
		args["prefix"] = likePrefix(strings.ToLower(q))
		if words := wordPrefixes(q); words != "" {
			arms = append(arms, "SELECT id FROM tenants WHERE to_tsvector('simple', name) @@ to_tsquery('simple', @words)")
			args["words"] = words
		}
		if domain := bareDomain(q); domain != "" {
			arms = append(arms, "SELECT id FROM tenants WHERE "+storeDomain+" LIKE @domain")
			args["domain"] = likePrefix(domain)
		}
		if digits(q) {
			arms = append(arms, "SELECT id FROM tenants WHERE merchant::text LIKE @prefix")
		}
		if low, high, ok := idRange(q); ok {
			arms = append(arms, "SELECT id FROM tenants WHERE id BETWEEN @low AND @high")
			args["low"], args["high"] = low, high
		}
		where = append(where, "id IN ("+strings.Join(arms, " UNION ")+")")
	}
	return strings.Join(where, " AND "), args
}

// storeDomain is SQL for a store's address as it is searched for: what tenants_domain_idx
// is made of.
const storeDomain = `lower(regexp_replace(store->>'domain', '^https?://(www\.)?', ''))`

// bareDomain returns what of an address, or of its beginning, storeDomain is
// compared with. People copy addresses out of browsers.
func bareDomain(q string) string {
	q = strings.ToLower(strings.TrimSpace(q))
	q = strings.TrimPrefix(strings.TrimPrefix(q, "https://"), "http://")
	return strings.TrimRight(strings.TrimPrefix(q, "www."), "/")
}

// likePrefix returns the LIKE pattern of what begins with s.
func likePrefix(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s) + "%"
}

// wordPrefixes returns the text search query for rows that have, for each word
// of q, a word that begins with it; "" where q has no word.
func wordPrefixes(q string) string {
	words := strings.FieldsFunc(q, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	for i, w := range words {
		words[i] = w + ":*"
	}
	return strings.Join(words, " & ")
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// idRange returns the lowest and highest id that begin with the text q, which
// has at least eight characters: fewer are shared by every id of some minutes.
func idRange(q string) (low, high uuid.UUID, ok bool) {
	const shape = "00000000-0000-0000-0000-000000000000"
	if len(q) < 8 || len(q) > len(shape) {
		return low, high, false
	}
	low, err := uuid.Parse(q + shape[len(q):])
	if err != nil {
		return low, high, false
	}
	high, err = uuid.Parse(q + strings.ReplaceAll(shape, "0", "f")[len(q):])
	return low, high, err == nil
}
