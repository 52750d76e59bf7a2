package events

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// SpoolSealedOtherwise counts the files of a spool's folder that do not begin with
// the mark of the key that seals now: another key is still needed to open them. It is
// os.ErrNotExist where the folder is not there.
func SpoolSealedOtherwise(folder string, mark []byte) (int, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, fmt.Errorf("read the spool's folder: %w", err)
	}
	n := 0
	for _, e := range entries {
		if ending := filepath.Ext(e.Name()); ending != spoolWaits && ending != spoolBad {
			continue
		}
		begins, err := beginning(filepath.Join(folder, e.Name()), len(mark))
		switch {
		case errors.Is(err, os.ErrNotExist): // committed since
		case err != nil:
			return 0, fmt.Errorf("read a spooled delivery: %w", err)
		case !bytes.Equal(begins, mark):
			n++
		}
	}
	return n, nil
}

// beginning reads the first bytes of a file, fewer where it is shorter.
func beginning(name string, size int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	begins, err := io.ReadAll(io.LimitReader(f, int64(size)))
	return begins, err
}
