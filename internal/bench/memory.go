package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
)

// The store that memory is measured with.
const (
	memoryMerchant  = 91_000
	memoryOrders    = 100_000
	memoryCustomers = 5_000
	memoryProducts  = 500
	memoryPatience  = 30 * time.Minute
)

// memorySuite measures the most memory that the processes ever had resident while
// one worker reads the lists of a store with a hundred thousand orders, as the
// kernel tells it (VmHWM). The orders' details are not waited for.
func memorySuite() suite {
	return suite{name: "memory", figures: []string{"memory.api", "memory.worker"}, run: benchMemory}
}

func benchMemory(ctx context.Context, log io.Writer, wanted func(string) bool) (figures []figure, err error) {
	err = withFleet(ctx, "off", func(f *fleet) error {
		figures, err = f.memory(ctx, log, wanted)
		return err
	})
	return figures, err
}

func (f *fleet) memory(ctx context.Context, log io.Writer, wanted func(string) bool) (figures []figure, err error) {
	f.sandbox.AddStore(sandbox.StoreSpec{
		Merchant: memoryMerchant, Name: "Bench", Email: "owner@shop.example", Plan: "pro",
		Customers: memoryCustomers, Products: memoryProducts, Orders: memoryOrders,
	})
	if err := f.startWorker(0); err != nil {
		return nil, err
	}
	if err := f.sandbox.Install(ctx, memoryMerchant); err != nil {
		return nil, fmt.Errorf("install a store: %w", err)
	}
	if err := f.listsRead(ctx, log); err != nil {
		return nil, err
	}
	for _, process := range []struct {
		name string
		of   *program
	}{{"memory.api", f.api}, {"memory.worker", f.workers[0]}} {
		peak, err := peakMemory(process.of)
		if err != nil {
			return nil, err
		}
		if wanted(process.name) {
			figures = append(figures, figure{Name: process.name, Value: peak, Unit: "MB"})
		}
	}
	return figures, nil
}

// listsRead waits until every list of the one store is read.
func (f *fleet) listsRead(ctx context.Context, log io.Writer) error {
	said := 0
	for begun := time.Now(); time.Since(begun) < memoryPatience; {
		var done bool
		var records int
		err := f.pool.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM runs WHERE lists_done_at IS NOT NULL),
				coalesce((SELECT sum(imported + rejected) FROM streams), 0)::integer`).Scan(&done, &records)
		if err != nil {
			return fmt.Errorf("look how far the import is: %w", err)
		}
		if done {
			fmt.Fprintf(log, "%d records came in %.0f s\n", records, time.Since(begun).Seconds())
			return nil
		}
		if records/10_000 > said {
			said = records / 10_000
			peak, err := peakMemory(f.workers[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(log, "  %d records, the worker at most %.0f MB\n", records, peak)
		}
		select {
		case <-f.workers[0].done:
			return fmt.Errorf("the worker ended: %s", f.workers[0].said.String())
		default:
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the lists are not read after %s", memoryPatience)
}

// peakMemory is the most memory that a running process had resident, in MB.
func peakMemory(p *program) (float64, error) {
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read how much memory a process had: %w", err)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		value, ok := strings.CutPrefix(lines.Text(), "VmHWM:")
		if !ok {
			continue
		}
		var kilobytes float64
		if _, err := fmt.Sscanf(value, "%f kB", &kilobytes); err != nil {
			return 0, fmt.Errorf("read how much memory a process had: %w", err)
		}
		return kilobytes / 1024, nil
	}
	return 0, errors.New("the kernel does not tell how much memory a process had")
}
