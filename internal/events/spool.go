package events

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/vault"
)

// What the names of a spool's files end in. The name before it is the event's key.
const (
	spoolWaits = ".sealed"
	spoolBad   = ".bad"
	spoolHalf  = ".half-" // what a file begins with while it is written
)

// The room of a spool: a store sends its tokens once in a while, so that what is
// beyond it is no outage but an attack or a mistake.
const (
	spoolBody  = 1 << 20 // as the door takes it
	spoolFiles = 4096
	spoolBytes = 256 << 20
)

// Spool keeps on local disk, sealed, the deliveries with credentials that PostgreSQL
// did not take: Salla sends tokens once, and comes again for a quarter of an hour only.
// Several processes may share a folder. A file is removed once its event is committed.
type Spool struct {
	folder string
	keys   *vault.Keys
	log    *slog.Logger
	files  int   // most files, set aside ones too
	bytes  int64 // most bytes of them all
	create func(folder, pattern string) (*os.File, error)

	mu      sync.Mutex // between counting the room and using it
	refused atomic.Int64
}

// ErrSpoolDisk: the disk of a spool takes nothing now, being full, read-only or broken.
var ErrSpoolDisk = errors.New("the spool's disk takes nothing")

// OpenSpool makes the folder, for nobody but us, where it is not there, and proves
// that files can be written into it. With ErrSpoolDisk there is a Spool all the same:
// it refuses, and counts, until the disk is well.
func OpenSpool(folder string, keys *vault.Keys, log *slog.Logger) (*Spool, error) {
	s := &Spool{folder: folder, keys: keys, log: log, files: spoolFiles, bytes: spoolBytes, create: os.CreateTemp}
	return s.opened(s.prove())
}

// opened tells of an error what it makes of the spool.
func (s *Spool) opened(err error) (*Spool, error) {
	for _, disk := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, disk) {
			return s, fmt.Errorf("%w: %w", ErrSpoolDisk, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// prove makes the folder and a file in it.
func (s *Spool) prove() error {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return fmt.Errorf("make the spool's folder: %w", err)
	}
	if err := s.write("probe", []byte("probe")); err != nil {
		return fmt.Errorf("write into the spool's folder: %w", err)
	}
	if err := os.Remove(filepath.Join(s.folder, "probe")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove from the spool's folder: %w", err)
	}
	return nil
}

// SpoolState is how a spool stands.
type SpoolState struct {
	Waiting int   // files that are still to be committed
	Bad     int   // files that did not open, set aside
	Refused int64 // deliveries that could not be kept since the start
}

// State looks into the folder.
func (s *Spool) State() SpoolState {
	st := SpoolState{Refused: s.refused.Load()}
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return st
	}
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case spoolWaits:
			st.Waiting++
		case spoolBad:
			st.Bad++
		}
	}
	return st
}

// Receive is Record for a delivery from outside. Where PostgreSQL did not commit one
// that carries credentials, it is kept in the spool, and Recorded tells so; the error
// is Record's all the same, so that the sender comes again.
func (in *Inbox) Receive(ctx context.Context, d Delivery) (Recorded, error) {
	rec, err := in.Record(ctx, d)
	if protect.Spool && in.Spool != nil && errors.Is(err, fault.Unavailable) && carriesCredentials(d.Body) {
		rec.Spooled = in.Spool.keep(ctx, d)
	}
	return rec, err
}

func carriesCredentials(body []byte) bool {
	_, found, ok := redactJSON(body)
	return ok && found
}

// spooled is what a file holds once it is opened.
type spooled struct {
	Source     string            `json:"source"`
	Headers    map[string]string `json:"headers"` // those that are kept of any delivery
	ReceivedAt time.Time         `json:"received_at"`
	Body       []byte            `json:"body"`
}

// keep writes a delivery down, once however often it comes, and tells whether it is
// there. Failing is noted and no more: the sender is told to come again either way.
func (s *Spool) keep(ctx context.Context, d Delivery) bool {
	hash := sha256.Sum256(d.Body)
	env := parse(d.Source, d.Body)
	name := hex.EncodeToString(key(d, env, hash[:]))
	fresh, err := s.put(name, spooled{Source: d.Source, Headers: kept(d.Header), ReceivedAt: d.ReceivedAt, Body: d.Body})
	switch {
	case err != nil:
		s.refused.Add(1)
		s.log.ErrorContext(ctx, "a delivery with credentials could be neither committed nor spooled", "event", env.Name, "error", err)
	case fresh:
		s.log.WarnContext(ctx, "a delivery with credentials was spooled until PostgreSQL answers", "event", env.Name, "file", name)
	}
	return err == nil
}

// put seals a delivery into the file of that name, unless it is there already.
func (s *Spool) put(name string, d spooled) (fresh bool, err error) {
	if len(d.Body) > spoolBody {
		return false, fmt.Errorf("the body is larger than %d bytes", spoolBody)
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return false, fmt.Errorf("encode a delivery: %w", err)
	}
	sealed, err := s.keys.Seal(plain, spoolAD(name))
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(filepath.Join(s.folder, name+spoolWaits)); err == nil {
		return false, nil
	}
	files, bytes, err := s.used()
	if err != nil {
		return false, err
	}
	if files >= s.files || bytes+int64(len(sealed)) > s.bytes {
		return false, fmt.Errorf("the spool is full: %d files of %d bytes", files, bytes)
	}
	return true, s.write(name+spoolWaits, sealed)
}

// spoolAD is the associated data of a spooled delivery: one that was renamed does
// not open.
func spoolAD(name string) string { return "spool:" + name }

// used counts what the folder holds.
func (s *Spool) used() (files int, bytes int64, err error) {
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return 0, 0, fmt.Errorf("read the spool's folder: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // removed since
		}
		files++
		bytes += info.Size()
	}
	return files, bytes, nil
}

// write makes a file that is there whole or not at all, whatever happens meanwhile.
func (s *Spool) write(name string, content []byte) (err error) {
	f, err := s.create(s.folder, spoolHalf+"*") // 0600
	if err != nil {
		return fmt.Errorf("make a file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write a file: %w", err)
	}
	if err := os.Rename(f.Name(), filepath.Join(s.folder, name)); err != nil {
		return fmt.Errorf("name a file: %w", err)
	}
	return s.sync()
}

// sync makes what the folder lists last.
func (s *Spool) sync() error {
	d, err := os.Open(s.folder)
	if err != nil {
		return fmt.Errorf("open the spool's folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync the spool's folder: %w", err)
	}
	return nil
}

// list returns the names, without what they end in, of the files that end so, those
// that were written first first.
func (s *Spool) list(ending string) ([]string, error) {
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return nil, fmt.Errorf("read the spool's folder: %w", err)
	}
	type file struct {
		name string
		at   time.Time
	}
	var files []file
	for _, e := range entries {
		name, found := strings.CutSuffix(e.Name(), ending)
		if info, err := e.Info(); err == nil && found && info.Mode().IsRegular() {
			files = append(files, file{name, info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.name, b.name)) })
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
	}
	return names, nil
}

// errDamaged is a file that will never open as it is.
var errDamaged = errors.New("the file is damaged, or sealed with a key that is not in the keyset")

// open reads one file. errDamaged: it does not open; os.ErrNotExist: another process
// was faster.
func (s *Spool) open(name, ending string) (Delivery, error) {
	f, err := os.Open(filepath.Join(s.folder, name+ending))
	if err != nil {
		return Delivery{}, err
	}
	defer f.Close()
	sealed, err := io.ReadAll(io.LimitReader(f, 3*spoolBody)) // base64 in JSON, and then some
	if err != nil {
		return Delivery{}, err
	}
	plain, err := s.keys.Open(sealed, spoolAD(name))
	if err != nil {
		return Delivery{}, errDamaged
	}
	var d spooled
	if json.Unmarshal(plain, &d) != nil {
		return Delivery{}, errDamaged
	}
	header := http.Header{}
	for name, value := range d.Headers {
		header.Set(name, value)
	}
	return Delivery{Source: d.Source, Header: header, Body: d.Body, ReceivedAt: d.ReceivedAt}, nil
}

// move gives a file another ending.
func (s *Spool) move(name, from, to string) error {
	return errors.Join(os.Rename(filepath.Join(s.folder, name+from), filepath.Join(s.folder, name+to)), s.sync())
}
