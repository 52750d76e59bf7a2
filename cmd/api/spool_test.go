package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/events"
)

// A disk that fails keeps the api from nothing but spooling; a folder that cannot be
// made or entered gives way to the next.
func TestFaultSpoolDiskThatFailsDoesNotStopTheApi(t *testing.T) {
	t.Parallel()
	there, absent := t.TempDir(), filepath.Join(t.TempDir(), "absent")
	failing := func(errno syscall.Errno) error {
		return fmt.Errorf("%w: %w", events.ErrSpoolDisk, &fs.PathError{Op: "open", Path: "secret", Err: errno})
	}
	denied := fmt.Errorf("make: %w", &fs.PathError{Op: "mkdir", Path: "secret", Err: syscall.EACCES})
	type opened struct {
		spool *events.Spool
		err   error
	}
	a, b := new(events.Spool), new(events.Spool)
	for _, tt := range []struct {
		name    string
		folders []string
		first   opened
		next    opened
		want    *events.Spool
	}{
		{"full", []string{there}, opened{a, failing(syscall.ENOSPC)}, opened{}, a},
		{"read-only and not there", []string{absent}, opened{a, failing(syscall.EROFS)}, opened{}, a},
		{"broken, what it holds is not left behind", []string{there, "next"}, opened{a, failing(syscall.EIO)}, opened{b, nil}, a},
		{"cannot be made on a read-only disk", []string{absent, "next"}, opened{a, failing(syscall.EROFS)}, opened{b, nil}, b},
		{"nor can the next", []string{absent, "next"}, opened{a, failing(syscall.EROFS)}, opened{nil, denied}, a},
		{"not ours", []string{there, "next"}, opened{nil, denied}, opened{b, nil}, b},
		{"none is ours", []string{there, "next"}, opened{nil, denied}, opened{nil, denied}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := firstSpool(tt.folders, func(folder string) (*events.Spool, error) {
				if folder == "next" {
					return tt.next.spool, tt.next.err
				}
				return tt.first.spool, tt.first.err
			}, dbtest.Log(t))
			if got != tt.want || (err == nil) != (tt.want != nil) {
				t.Fatalf("got %p, %v", got, err)
			}
			if err != nil && (!config.IsError(err) || !strings.Contains(err.Error(), "(permission denied)") || strings.Contains(err.Error(), "secret")) {
				t.Errorf("it says %v", err)
			}
		})
	}
}
