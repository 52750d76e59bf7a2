package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/vault"
	"github.com/wosool/wosool/migrations"
)

// outage is an inbox whose PostgreSQL a test stops and starts.
type outage struct {
	*bench
	postgres *dbtest.PostgresServer
	folder   string
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	postgres := dbtest.OwnPostgres(t)
	if err := migrations.Up(t.Context(), postgres.URL()); err != nil {
		t.Fatal(err)
	}
	pool, err := store.Open(t.Context(), postgres.URL(), "test", 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	o := &outage{postgres: postgres, folder: filepath.Join(t.TempDir(), "spool"), bench: benchOn(t, pool)}
	o.inbox.Spool = o.open(t, o.keys)
	return o
}

// open is what another process does.
func (o *outage) open(t *testing.T, keys *vault.Keys) *Spool {
	t.Helper()
	s, err := OpenSpool(o.folder, keys, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const accessText, refreshText = "ory_at_nobody_may_read_this", "ory_rt_nobody_may_read_this"

func authorizeOf(merchant int64) Delivery {
	return Delivery{
		Source: SourceSalla, Header: http.Header{"User-Agent": {"Salla"}, "Authorization": {"whatever-proves-it"}},
		Body: fmt.Appendf(nil, `{"event":"app.store.authorize","merchant":%d,"created_at":"2026-11-01 12:00:00","data":{"access_token":"%s_%d","refresh_token":"%s_%d","expires":1893456000}}`,
			merchant, accessText, merchant, refreshText, merchant),
		ReceivedAt: time.Date(2026, 11, 1, 9, 0, 1, 0, time.UTC),
	}
}

// refused receives a delivery that cannot be committed, and tells whether it is kept.
func (o *outage) refused(t *testing.T, d Delivery) (spooled bool) {
	t.Helper()
	rec, err := o.inbox.Receive(t.Context(), d)
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v, want unavailable", err)
	}
	return rec.Spooled
}

// files are the names in the folder.
func (o *outage) files(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(o.folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// round drains once and collects the tasks.
func (o *outage) round(t *testing.T, in *Inbox) (tasks []store.Task, done bool) {
	t.Helper()
	done = in.drain(t.Context(), func(_ context.Context, more []store.Task) { tasks = append(tasks, more...) })
	return tasks, done
}

// An authorize that PostgreSQL did not take is kept once, sealed, and is one event
// when PostgreSQL is back, though Salla sends it again.
func TestFaultSpoolKeepsAnAuthorizeOverAnOutage(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	d := authorizeOf(7)
	o.postgres.Stop()

	for range 3 { // Salla's own resends
		if !o.refused(t, d) {
			t.Error("nobody is told that it is spooled")
		}
	}
	if o.refused(t, fromSalla(order(7, 1))) || // nothing secret: Salla sends it again, or it is read
		o.refused(t, fromSalla(`{"event":"app.store.authorize","x":`)) { // not JSON: nobody could apply it
		t.Error("what is not spooled is said to be")
	}

	names := o.files(t)
	if len(names) != 1 || !strings.HasSuffix(names[0], spoolWaits) || o.inbox.Spool.State() != (SpoolState{Waiting: 1}) {
		t.Fatalf("files %q, want one that waits: %+v", names, o.inbox.Spool.State())
	}
	sealed, err := os.ReadFile(filepath.Join(o.folder, names[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{accessText, refreshText, "nobody_may", "app.store", "whatever-proves-it", "received_at"} {
		if bytes.Contains(sealed, []byte(secret)) {
			t.Errorf("the file holds %q in the clear", secret)
		}
	}
	if info, err := os.Stat(filepath.Join(o.folder, names[0])); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(o.folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
	if _, done := o.round(t, o.inbox); done {
		t.Error("a round without PostgreSQL says that all is done")
	}

	o.postgres.Start()
	var tasks []store.Task
	dbtest.Eventually(t, 20*time.Second, "the spool is drained", func() bool {
		more, done := o.round(t, o.inbox)
		tasks = append(tasks, more...)
		return done
	})
	if len(tasks) != 1 || len(o.files(t)) != 0 {
		t.Fatalf("tasks %v, files %q", tasks, o.files(t))
	}
	o.runAll(t, tasks)
	rec, err := o.inbox.Receive(t.Context(), d) // Salla comes again
	if err != nil || !rec.Duplicate || rec.EventID != tasks[0].ID || len(o.files(t)) != 0 {
		t.Errorf("sent again: %+v, %v, files %q", rec, err, o.files(t))
	}
	e := o.event(t, rec.EventID)
	if e.Status != store.EventApplied || !e.ReceivedAt.Equal(d.ReceivedAt) || !strings.Contains(string(e.Headers), "Salla") ||
		strings.Contains(string(e.Headers), "whatever") {
		t.Errorf("the event: %s, received %s, headers %s: %s", e.Status, e.ReceivedAt, e.Headers, words(e))
	}
	if o.count(t, `SELECT count(*) FROM events`) != 1 || o.count(t, `SELECT count(*) FROM connections WHERE status = 'active'`) != 1 {
		t.Error("it is not one event and one grant")
	}
}

// The order of outage, resend and drain does not matter: where Salla was faster, the
// file goes and the event is one.
func TestFaultSpoolAfterAResend(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.postgres.Stop()
	o.refused(t, authorizeOf(7))
	o.postgres.Start()
	dbtest.Eventually(t, 20*time.Second, "PostgreSQL to take it", func() bool {
		_, err := o.inbox.Receive(t.Context(), authorizeOf(7))
		return err == nil
	})

	tasks, done := o.round(t, o.inbox)

	if !done || len(tasks) != 0 || len(o.files(t)) != 0 || o.count(t, `SELECT count(*) FROM events`) != 1 {
		t.Errorf("done %v, tasks %v, files %q", done, tasks, o.files(t))
	}
}

// A process that died leaves files to the next one, oldest first; what it was writing
// is no file yet, what does not open is set aside and kept.
func TestFaultSpoolIsDrainedByTheNextProcess(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.postgres.Stop()
	for merchant := int64(1); merchant <= 4; merchant++ {
		o.refused(t, authorizeOf(merchant))
		for _, name := range o.files(t) { // each is older than the one before it
			path := filepath.Join(o.folder, name)
			info, err := os.Stat(path)
			if err == nil {
				err = os.Chtimes(path, time.Time{}, info.ModTime().Add(-time.Minute))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	names, err := o.inbox.Spool.list(spoolWaits)
	if err != nil || len(names) != 4 {
		t.Fatalf("%q, %v", names, err)
	}
	damaged := filepath.Join(o.folder, names[1]+spoolWaits)
	half, litter := filepath.Join(o.folder, spoolHalf+"1"), filepath.Join(o.folder, spoolHalf+"2")
	renamed := filepath.Join(o.folder, strings.Repeat("0", 64)+spoolWaits)
	whole, err := os.ReadFile(damaged)
	for path, content := range map[string][]byte{damaged: whole[:len(whole)/2], half: whole[:9], litter: whole[:9], renamed: whole} {
		err = errors.Join(err, os.WriteFile(path, content, 0o600))
	}
	if err = errors.Join(err, os.Chtimes(litter, time.Time{}, time.Now().Add(-2*halfWritten))); err != nil {
		t.Fatal(err)
	}
	o.postgres.Start()
	next := *o.inbox
	next.Spool = o.open(t, o.keys)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	var mu sync.Mutex
	var tasks []store.Task
	go func() {
		defer close(ended)
		next.Drain(ctx, func(_ context.Context, more []store.Task) {
			mu.Lock()
			defer mu.Unlock()
			tasks = append(tasks, more...)
		})
	}()
	dbtest.Eventually(t, 20*time.Second, "three deliveries are committed, two files set aside", func() bool {
		return next.Spool.State() == SpoolState{Bad: 2}
	})
	stop()
	<-ended

	if len(tasks) != 3 {
		t.Fatalf("%d tasks, want 3", len(tasks))
	}
	for i, merchant := range []int64{1, 3, 4} {
		if e := o.event(t, tasks[i].ID); *e.Merchant != merchant {
			t.Errorf("place %d: merchant %d, want %d", i, *e.Merchant, merchant)
		}
	}
	for path, there := range map[string]bool{half: true, litter: false, damaged: false, renamed: false} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	for _, path := range []string{damaged, renamed} {
		bad := strings.TrimSuffix(path, spoolWaits) + spoolBad
		if _, err := os.Stat(bad); err != nil {
			t.Errorf("%s is not kept: %v", filepath.Base(bad), err)
		}
	}
}

// Processes that share a folder, or a keyset between two of its states, are harmless
// to each other.
func TestFaultSpoolWithManyDrainers(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.postgres.Stop()
	const deliveries = 12
	for merchant := range int64(deliveries) {
		o.refused(t, authorizeOf(merchant+1))
	}
	o.postgres.Start()
	dbtest.Eventually(t, 20*time.Second, "PostgreSQL answers", func() bool { return o.db.Ping(t.Context()) == nil })
	encoded, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	others, err := vault.OpenKeys(encoded)
	if err != nil {
		t.Fatal(err)
	}
	stranger := *o.inbox
	stranger.Spool = o.open(t, others)
	if tasks, done := o.round(t, &stranger); len(tasks) != 0 || !done {
		t.Errorf("without the key: %d tasks, done %v", len(tasks), done)
	}
	if s := o.inbox.Spool.State(); s != (SpoolState{Bad: deliveries}) {
		t.Errorf("without the key: %+v", s)
	}

	var mu sync.Mutex
	var tasks []store.Task
	var wg sync.WaitGroup
	for range 4 {
		in := *o.inbox
		in.Spool = o.open(t, o.keys)
		wg.Go(func() {
			more, _ := o.round(t, &in)
			mu.Lock()
			defer mu.Unlock()
			tasks = append(tasks, more...)
		})
	}
	wg.Wait()

	if n := o.count(t, `SELECT count(*) FROM events`); n != deliveries || len(tasks) != deliveries || len(o.files(t)) != 0 {
		t.Errorf("%d events, %d tasks, files %q", n, len(tasks), o.files(t))
	}
}

// Without room on the disk, or without the folder, a delivery is refused as it would
// be without a spool, and that is counted.
func TestFaultSpoolWithoutRoom(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.postgres.Stop()
	o.inbox.Spool.files = 2
	for merchant := range int64(3) {
		o.refused(t, authorizeOf(merchant+1))
	}
	if s := o.inbox.Spool.State(); s != (SpoolState{Waiting: 2, Refused: 1}) {
		t.Errorf("with room for two files: %+v", s)
	}
	o.refused(t, authorizeOf(1)) // it is there already
	o.inbox.Spool.files, o.inbox.Spool.bytes = 10, 100
	o.refused(t, authorizeOf(4))
	if s := o.inbox.Spool.State(); s != (SpoolState{Waiting: 2, Refused: 2}) {
		t.Errorf("without bytes: %+v", s)
	}
	o.inbox.Spool.bytes = spoolBytes
	huge := authorizeOf(5)
	huge.Body = bytes.Replace(huge.Body, []byte("{"), append([]byte("{"), bytes.Repeat([]byte(" "), spoolBody)...), 1)
	o.refused(t, huge)
	if err := os.RemoveAll(o.folder); err != nil {
		t.Fatal(err)
	}
	o.refused(t, authorizeOf(6))
	if s := o.inbox.Spool.State(); s != (SpoolState{Refused: 4}) {
		t.Errorf("without a folder: %+v", s)
	}
	if _, done := o.round(t, o.inbox); done {
		t.Error("a round without a folder says that all is done")
	}
}

// With a disk that takes nothing there is a spool, which refuses, and keeps once the
// disk is well.
func TestFaultSpoolOnADiskThatFails(t *testing.T) {
	t.Parallel()
	keyset, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := vault.OpenKeys(keyset)
	if err != nil {
		t.Fatal(err)
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		failing := &Spool{folder: t.TempDir(), keys: keys, log: dbtest.Log(t), files: spoolFiles, bytes: spoolBytes}
		failing.create = func(folder, _ string) (*os.File, error) {
			return nil, &os.PathError{Op: "open", Path: folder, Err: errno}
		}

		s, err := failing.opened(failing.prove())

		if s == nil || !errors.Is(err, ErrSpoolDisk) {
			t.Fatalf("%v: %v, %v", errno, s, err)
		}
		if s.keep(t.Context(), authorizeOf(1)) || s.State() != (SpoolState{Refused: 1}) {
			t.Errorf("%v: it stands as %+v", errno, s.State())
		}
		s.create = os.CreateTemp
		if !s.keep(t.Context(), authorizeOf(1)) || s.State() != (SpoolState{Waiting: 1, Refused: 1}) {
			t.Errorf("%v: once it is well it stands as %+v", errno, s.State())
		}
	}
}

// A folder that cannot be made or written into is refused at the start.
func TestSpoolFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{file, filepath.Join(file, "spool"), "/proc/wosool/spool", ""} {
		if s, err := OpenSpool(folder, nil, dbtest.Log(t)); err == nil {
			t.Errorf("%q: %+v", folder, s)
		}
	}
}

// A delivery that PostgreSQL takes leaves nothing on the disk, nor does one that only
// looks like an outage of ours.
func TestSpoolStaysEmptyWhileAllIsWell(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := &outage{bench: b, folder: t.TempDir()}
	b.inbox.Spool = o.open(t, b.keys)
	if _, err := b.inbox.Receive(t.Context(), authorizeOf(7)); err != nil {
		t.Fatal(err)
	}
	if names := o.files(t); len(names) != 0 {
		t.Errorf("files %q", names)
	}
}
