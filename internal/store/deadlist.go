package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// DeadLetter is one row of work that was given up.
type DeadLetter struct {
	Task     string // the kind of task
	ID       uuid.UUID
	Epoch    int64
	Lane     string
	TenantID *uuid.UUID // nil where it is nobody's
	Merchant *int64
	Attempts int
	Reason   string
	Group    string // the key of its group
	FailedAt time.Time
}

// DeadCursor is a place in the list of dead letters. Its zero value is the top.
type DeadCursor struct {
	FailedAt time.Time
	ID       uuid.UUID
}

// IsZero tells whether this is the top of the list.
func (c DeadCursor) IsZero() bool { return c == DeadCursor{} }

// String writes the cursor so that it fits an address.
func (c DeadCursor) String() string {
	if c.IsZero() {
		return ""
	}
	at := binary.BigEndian.AppendUint64(nil, uint64(c.FailedAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(at, c.ID[:]...))
}

// ParseDeadCursor reads what String wrote, or returns fault.Invalid.
func ParseDeadCursor(text string) (DeadCursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != 24 {
		return DeadCursor{}, fault.New(fault.Invalid, "the cursor is not one that a list gave")
	}
	return DeadCursor{
		FailedAt: time.UnixMicro(int64(binary.BigEndian.Uint64(raw))).UTC(), ID: uuid.UUID(raw[8:]),
	}, nil
}

// compare orders by time, then by id.
func (c DeadCursor) compare(o DeadCursor) int {
	return cmp.Or(c.FailedAt.Compare(o.FailedAt), bytes.Compare(c.ID[:], o.ID[:]))
}

func (l DeadLetter) cursor() DeadCursor { return DeadCursor{FailedAt: l.FailedAt, ID: l.ID} }

// DeadPage is a part of the list of dead letters, those that failed last first.
type DeadPage struct {
	Letters []DeadLetter
	More    bool // there may be others beyond the page, in the direction it was asked in

	// Where the page begins and ends. It ends before its limit, even without a letter,
	// where enough was looked at: then SearchedTo says how far.
	Top, Bottom DeadCursor
	SearchedTo  *time.Time
}

// DeadList lists dead letters. A kind of task that is none is fault.Invalid.
func (db *DB) DeadList(ctx context.Context, f DeadFilter) (DeadPage, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	sources, args, err := db.deadSources(ctx, f)
	if err != nil {
		return DeadPage{}, err
	}
	var edge DeadCursor
	var found []DeadLetter
	ahead := func(a, b DeadCursor) bool { return (a.compare(b) > 0) != f.Newer }
	if err := db.inDeadOrder(ctx, func(tx pgx.Tx) error {
		for _, s := range sources {
			letters, end, err := deadPart(ctx, tx, s, args, f, limit+1)
			if err != nil {
				return err
			}
			found = append(found, letters...)
			if !end.IsZero() && (edge.IsZero() || ahead(end, edge)) {
				edge = end
			}
		}
		return nil
	}); err != nil {
		return DeadPage{}, err
	}
	if !edge.IsZero() { // beyond it, not every table was looked at
		found = slices.DeleteFunc(found, func(l DeadLetter) bool { return ahead(edge, l.cursor()) })
	}
	slices.SortFunc(found, func(a, b DeadLetter) int {
		if f.Newer {
			return a.cursor().compare(b.cursor())
		}
		return b.cursor().compare(a.cursor())
	})
	page := DeadPage{Letters: found, More: len(found) > limit || !edge.IsZero()}
	if len(found) > limit {
		page.Letters, edge = found[:limit], DeadCursor{}
	}
	if f.Newer {
		slices.Reverse(page.Letters)
	}
	page.bounds(f, edge)
	return page, db.nameOwners(ctx, page.Letters)
}

// bounds says where the page begins and ends.
func (p *DeadPage) bounds(f DeadFilter, edge DeadCursor) {
	// Without a letter, the page lies just beyond its cursor.
	p.Top, p.Bottom = f.Cursor.beside(-1), f.Cursor.beside(1)
	if n := len(p.Letters); n > 0 {
		p.Top, p.Bottom = p.Letters[0].cursor(), p.Letters[n-1].cursor()
	}
	if edge.IsZero() {
		return
	}
	p.SearchedTo = &edge.FailedAt
	if f.Newer {
		p.Top = edge
	} else {
		p.Bottom = edge
	}
}

// beside is the cursor just before (-1) or after this one, so that a list that
// begins after it has this one in it.
func (c DeadCursor) beside(by int) DeadCursor {
	if c.IsZero() {
		return c
	}
	for i := len(c.ID) - 1; i >= 0; i-- {
		c.ID[i] += byte(by)
		if by > 0 && c.ID[i] != 0 || by < 0 && c.ID[i] != 0xff {
			break
		}
	}
	return c
}

// from is SQL for the rows of the source from the filter's cursor on, in order.
func (s deadSource) from(f DeadFilter, columns string) string {
	where, than, order := s.base, "<", "DESC"
	if f.Newer {
		than, order = ">", "ASC"
	}
	if !f.Cursor.IsZero() {
		where = append(slices.Clone(where), `(`+failedAt+`, id) `+than+` (@at, @id)`)
	}
	return `
		SELECT ` + columns + `
		FROM ` + s.name + `
		WHERE ` + strings.Join(where, ` AND `) + `
		ORDER BY ` + failedAt + ` ` + order + `, id ` + order
}

// deadPart lists up to limit dead letters of one source. end is not zero where only
// the rows up to there were looked at.
func deadPart(
	ctx context.Context, q querier, s deadSource, args pgx.NamedArgs, f DeadFilter, limit int,
) (letters []DeadLetter, end DeadCursor, err error) {
	const columns = `task, id, epoch, %s AS lane, %s AS tenant_id, %s AS merchant, attempts, last_error, ` + failedAt + ` AS failed_at`
	order := "DESC"
	if f.Newer {
		order = "ASC"
	}
	inner := fmt.Sprintf(columns, s.lane, s.key, s.merchant)
	sql, rest := s.from(f, inner)+fmt.Sprintf(` LIMIT %d`, limit), `true`
	if len(s.rest) > 0 {
		if end, err = deadEnd(ctx, q, s, f, args); err != nil {
			return nil, end, err
		}
		sql, rest = s.from(f, inner)+fmt.Sprintf(` LIMIT %d`, s.window), strings.Join(s.rest, ` AND `)
	}
	rows, err := q.Query(ctx, `
		SELECT task, id, epoch, lane, tenant_id, merchant, attempts, coalesce(last_error, '') AS reason,
		       `+deadKey+` AS "group", failed_at
		FROM (`+sql+`) AS d
		WHERE `+rest+`
		ORDER BY failed_at `+order+`, id `+order+fmt.Sprintf(`
		LIMIT %d`, limit), pgx.QueryExecModeCacheDescribe, args)
	if err != nil {
		return nil, end, fmt.Errorf("list dead letters: %w", err)
	}
	if letters, err = pgx.CollectRows(rows, pgx.RowToStructByName[DeadLetter]); err != nil {
		return nil, end, fmt.Errorf("list dead letters: %w", err)
	}
	return letters, end, nil
}

// inDeadOrder does what reads dead letters in the order of an index. While little is
// known of a table, PostgreSQL takes a few thousand of them for a handful, and would
// read and sort all there are for each page.
func (db *DB) inDeadOrder(ctx context.Context, do func(tx pgx.Tx) error) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
			       set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)`); err != nil {
			return fmt.Errorf("look through dead letters: %w", err)
		}
		return do(tx)
	})
}

// deadEnd is where a page ends that looks at each row of a source; zero where the
// source ends before.
func deadEnd(ctx context.Context, q querier, s deadSource, f DeadFilter, args pgx.NamedArgs) (end DeadCursor, err error) {
	err = q.QueryRow(ctx, s.from(f, failedAt+`, id`)+fmt.Sprintf(` OFFSET %d LIMIT 1`, s.window-1),
		pgx.QueryExecModeCacheDescribe, args).Scan(&end.FailedAt, &end.ID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return DeadCursor{}, fmt.Errorf("look through dead letters: %w", err)
	}
	return end, nil
}

// nameOwners fills in the merchant of those that name a tenant, and the tenant of
// those that name a merchant.
func (db *DB) nameOwners(ctx context.Context, letters []DeadLetter) error {
	var ids []uuid.UUID
	var merchants []int64
	for _, l := range letters {
		if l.TenantID != nil {
			ids = append(ids, *l.TenantID)
		} else if l.Merchant != nil {
			merchants = append(merchants, *l.Merchant)
		}
	}
	if len(ids)+len(merchants) == 0 {
		return nil
	}
	rows, err := db.pool.Query(ctx, `
		SELECT id, merchant FROM tenants WHERE id = ANY($1)
		UNION
		SELECT id, merchant FROM tenants WHERE merchant = ANY($2)`, ids, merchants)
	if err != nil {
		return fmt.Errorf("name the owners of dead letters: %w", err)
	}
	ofTenant, ofMerchant := map[uuid.UUID]*int64{}, map[int64]uuid.UUID{}
	var id uuid.UUID
	var merchant *int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &merchant}, func() error {
		if ofTenant[id] = merchant; merchant != nil {
			ofMerchant[*merchant] = id
		}
		return nil
	}); err != nil {
		return fmt.Errorf("name the owners of dead letters: %w", err)
	}
	for i, l := range letters {
		if l.TenantID != nil && l.Merchant == nil {
			letters[i].Merchant = ofTenant[*l.TenantID]
		} else if l.TenantID == nil && l.Merchant != nil {
			if owner, ok := ofMerchant[*l.Merchant]; ok {
				letters[i].TenantID = &owner
			}
		}
	}
	return nil
}

// DeadLetterOf returns one dead letter. A row that is not failed is
// fault.Conflict, one that is not there fault.NotFound.
func (db *DB) DeadLetterOf(ctx context.Context, kind string, id uuid.UUID) (DeadLetter, error) {
	t, err := tableOf(kind)
	if err != nil {
		return DeadLetter{}, fault.New(fault.NotFound, "there is no kind of task called %q", kind)
	}
	s := deadOwner{all: true}.sources(t)[0]
	var state string
	l := DeadLetter{Task: kind, ID: id}
	if err := db.pool.QueryRow(ctx, `
		SELECT state, epoch, `+s.lane+`, `+s.key+`, `+s.merchant+`, attempts, coalesce(last_error, ''), `+deadKey+`, `+failedAt+`
		FROM `+s.name+`
		WHERE id = $1 AND task = $2`, id, kind).Scan(
		&state, &l.Epoch, &l.Lane, &l.TenantID, &l.Merchant, &l.Attempts, &l.Reason, &l.Group, &l.FailedAt); err != nil {
		return DeadLetter{}, translate(err, "piece of work")
	}
	if state != "failed" {
		return DeadLetter{}, notDead(state)
	}
	one := []DeadLetter{l}
	err = db.nameOwners(ctx, one)
	return one[0], err
}

// DeadCount is how many dead letters a filter chooses.
type DeadCount struct {
	N       int
	AtLeast bool // there were too many to look at: there may be more
}

// How many rows of one table are counted: by the index, and where each has to be
// looked at, and where its group has to be told.
const (
	deadCounted       = 1_000_000
	deadCountedByText = 100_000
	deadCountedGroups = 20_000
)

// CountDead counts the dead letters that the filter chooses: exactly up to a million
// of a kind, or, where each has to be looked at, in the newest 100,000.
func (db *DB) CountDead(ctx context.Context, f DeadFilter) (DeadCount, error) {
	f.Cursor, f.Newer = DeadCursor{}, false
	sources, args, err := db.deadSources(ctx, f)
	if err != nil {
		return DeadCount{}, err
	}
	var total DeadCount
	err = db.inDeadOrder(ctx, func(tx pgx.Tx) error {
		for _, s := range sources {
			columns, most := `id`, deadCounted
			if len(s.rest) > 0 {
				columns, most = `task, `+s.lane+` AS lane, last_error`, deadCountedByText
				if s.window == deadGroupWindow {
					most = deadCountedGroups
				}
			}
			var looked, n int
			if err := tx.QueryRow(ctx, `
				SELECT count(*), count(*) FILTER (WHERE `+strings.Join(append([]string{`true`}, s.rest...), ` AND `)+`)
				FROM (`+s.from(f, columns)+fmt.Sprintf(` LIMIT %d`, most)+`) AS d`,
				pgx.QueryExecModeCacheDescribe, args).Scan(&looked, &n); err != nil {
				return fmt.Errorf("count dead letters: %w", err)
			}
			total.N += n
			total.AtLeast = total.AtLeast || looked == most
		}
		return nil
	})
	return total, err
}
