package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// How the landing of pages is measured.
const (
	importPairs     = 5    // of ours and the baselines, in turns
	importPerPage   = 60   // orders, as Salla gives
	importPages     = 50   // of orders, in each
	importCustomers = 600  // there before the orders come, so that these have somebody to belong to
	importDetails   = 20   // orders whose details make a page
	importAhead     = 3    // pages that land at the same time, as a worker reads a numbered list
	importSingles   = 600  // orders of import.single's baseline
	importBulk      = 1000 // rows a transaction of import.copy's baseline
)

// importSuite measures how fast pages of a list become rows of a tenant's database.
//
// Ours is what a worker does with a page of 60 orders that Salla has sent, three
// pages at a time: the answer's bytes, decoded by the client of Salla; the page
// opened, its fence raised; each document mapped to columns and hashed; and the
// commit of orders, people's links and totals, opportunities, rejects, counts and
// the page's end, one transaction a page, on the disk. Left out are Salla and the
// network (the answers are rendered before, and come from memory), and the control
// database's rows of the page.
//
// The baselines leave the same rows in the same tables, with their indexes, of another
// tenant's database, which holds the same customers; one connection, whose settings are
// those of ours, LZ4 among them. They write orders with their documents, opportunities,
// and the totals and tags of the customers. They begin with what ours ends with,
// columns, documents and links as ours has stored them, and do nothing else: no
// decoding, mapping or hashing, no page and no fence, no looking for customers.
// import.single upserts each row in a transaction of its own by a prepared statement:
// the order, its opportunity, its customer's totals. import.copy copies a thousand
// orders and their opportunities to temporary tables, merges these and computes the
// totals by one statement, in one transaction. All are told in orders a second. At the
// end of a round the databases are compared: the figures are an error unless orders,
// opportunities, to whom they belong, and totals are the same.
//
// import.unchanged is of whole runs, the list of orders and then their details and
// items, read by six orders and landed by twenty: how many times faster than the first
// run the next one is, to which nothing has changed, so that no detail is due.
func importSuite() suite {
	return suite{
		name:    "import",
		figures: []string{"import.single", "import.copy", "import.unchanged"},
		run:     benchImports,
	}
}

// landed is what one round gave, in orders a second: the list alone, whole runs, and
// the baselines of the list.
type landed struct{ list, first, again, single, bulk float64 }

func benchImports(ctx context.Context, log io.Writer, wanted func(string) bool) ([]figure, error) {
	pages, err := renderPages(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "import: %d rounds of %d pages of %d orders, %d bytes an order\n",
		importPairs, importPages, importPerPage, pages.orderSize())
	var ours, first, again, single, bulk, bySingle, byBulk, times []float64
	for round := range importPairs + 1 {
		r, err := importRound(ctx, pages, round)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(log, "  %s: ours %.0f/s, one by one %.0f/s, copied %.0f/s; %.1f, %.2f; with details %.0f/s, unchanged %.0f/s; %.1f\n",
			what(round), r.list, r.single, r.bulk, r.list/r.single, r.list/r.bulk, r.first, r.again, r.again/r.first)
		if round == 0 {
			continue
		}
		ours, first, again = append(ours, r.list), append(first, r.first), append(again, r.again)
		single, bulk = append(single, r.single), append(bulk, r.bulk)
		bySingle, byBulk = append(bySingle, r.list/r.single), append(byBulk, r.list/r.bulk)
		times = append(times, r.again/r.first)
	}
	var figures []figure
	for _, f := range []figure{
		{Name: "import.single", Value: median(ours), Unit: "orders/s", Baseline: median(single), Ratio: median(bySingle)},
		{Name: "import.copy", Value: median(ours), Unit: "orders/s", Baseline: median(bulk), Ratio: median(byBulk)},
		{Name: "import.unchanged", Value: median(again), Unit: "orders/s", Baseline: median(first), Ratio: median(times)},
	} {
		if wanted(f.Name) {
			figures = append(figures, f)
		}
	}
	return figures, nil
}

// importRound lands the pages twice, and between, in turns before and after each
// other, what they came to by the baselines. Each side has a database of its own.
func importRound(ctx context.Context, pages *renderedPages, round int) (r landed, err error) {
	rows, err := pages.rows(ctx)
	if err != nil {
		return r, err
	}
	ours := func() error {
		db, drop, err := newShop(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, drop()) }()
		first, again, err := landTwice(ctx, db, pages)
		if err != nil {
			return err
		}
		const orders = importPages * importPerPage
		r.list, r.first, r.again = rate(first.list, orders), rate(first.whole(), orders), rate(again.whole(), orders)
		return db.whole(ctx, len(rows[0]))
	}
	bare := func(took *float64, n int, write func(context.Context, *shop, [][]bareRow) error) func() error {
		return func() error {
			db, drop, err := newShop(ctx)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, drop()) }()
			if err := pages.restorePeople(ctx, db); err != nil {
				return err
			}
			some := make([][]bareRow, len(rows))
			for i := range rows {
				some[i] = rows[i][:n]
			}
			begun := time.Now()
			if err := write(ctx, db, some); err != nil {
				return err
			}
			*took = rate(time.Since(begun), n)
			return pages.same(ctx, db, some[0])
		}
	}
	sides := []func() error{ours, bare(&r.bulk, len(rows[0]), writeBulk), bare(&r.single, importSingles, writeSingles)}
	for i := range sides {
		if err := sides[(i+round)%len(sides)](); err != nil {
			return r, err
		}
	}
	return r, nil
}

func rate(took time.Duration, n int) float64 { return float64(n) / took.Seconds() }
