package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
)

// What budget.used is measured with: a store whose details are more calls than it
// allows in the minutes that are measured.
const (
	budgetMerchant = 97_001
	budgetLimit    = 7200 // calls a minute
	budgetOrders   = 16_000
	budgetWorkers  = 3
)

// budgetSuite measures how much of a store's allowance an import uses, and how many
// of its calls Salla refuses.
func budgetSuite() suite {
	return suite{name: "budget", figures: []string{"budget.used", "budget.refused"}, run: benchBudget}
}

// benchBudget lets three workers read the details of one store's orders, and takes
// the first minute of the sandbox that is all theirs.
func benchBudget(ctx context.Context, log io.Writer, _ func(string) bool) (figures []figure, err error) {
	err = withFleet(ctx, "off", func(f *fleet) error {
		figures, err = f.budget(ctx, log)
		return err
	})
	return figures, err
}

func (f *fleet) budget(ctx context.Context, log io.Writer) (figures []figure, err error) {
	for i := range budgetWorkers {
		if err := f.startWorker(i); err != nil {
			return nil, err
		}
	}
	f.sandbox.AddStore(sandbox.StoreSpec{
		Merchant: budgetMerchant, Name: "Bench budget", Email: "owner@shop.example", Plan: "special", Currency: "SAR",
		Limit: budgetLimit, Orders: budgetOrders, Customers: 200, Products: 200,
	})
	if err := f.sandbox.Install(ctx, budgetMerchant); err != nil {
		return nil, fmt.Errorf("install a store: %w", err)
	}
	minutes, err := detailMinutes(ctx, f.sandbox)
	if err != nil {
		return nil, err
	}
	r := f.sandbox.Stats().Rates[budgetMerchant]
	used := float64(minutes) / budgetLimit * 100
	fmt.Fprintf(log, "%d calls in a minute of %d allowed; minutes %v, %d refused, %d beyond the limit\n",
		minutes, budgetLimit, r.Minutes, r.Limited, r.Beyond)
	return []figure{
		{Name: "budget.used", Value: used, Unit: "%"},
		{Name: "budget.refused", Value: float64(r.Limited + r.Beyond), Unit: "calls"},
	}, nil
}

// detailMinutes waits until orders are read one by one, and gives the calls of the
// first whole minute from then on.
func detailMinutes(ctx context.Context, shop *sandbox.Server) (int, error) {
	from := -1
	for begun := time.Now(); time.Since(begun) < 6*time.Minute; {
		stats := shop.Stats()
		minutes := stats.Rates[budgetMerchant].Minutes
		switch {
		case from < 0 && stats.Calls["salla GET /orders/items"]["200"] > 0:
			from = len(minutes) + 1 // the present one began with lists
		case from >= 0 && len(minutes) > from:
			return minutes[from], nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("no whole minute of details within six minutes")
}
