package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
)

func TestWorkersStates(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := store.New(pool)
	tenant := uuid.New()
	tasks := []store.WorkerTask{{Task: "import:page", Row: uuid.New(), Tenant: &tenant, Since: time.Now().UTC().Truncate(time.Microsecond)}}
	ids := map[string]uuid.UUID{}
	for _, host := range []string{"runs", "stops", "stopped", "killed", "killed-while-stopping", "old", "old-lost"} {
		ids[host] = uuid.New()
		w := store.Worker{
			ID: ids[host], Host: host, PID: 7, Version: "dev", Concurrency: 20, Lanes: []string{"imports"}, MemoryBytes: 1 << 20, Busy: tasks,
		}
		for _, stopping := range []bool{false, host == "stops" || host == "stopped" || host == "killed-while-stopping"} {
			if err := db.Beat(t.Context(), w, stopping); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, host := range []string{"stopped", "old"} {
		if err := db.WorkerStopped(t.Context(), ids[host]); err != nil {
			t.Fatal(err)
		}
	}
	for host, ago := range map[string]string{
		"runs": "9 seconds", "killed": "11 seconds", "killed-while-stopping": "12 seconds", "old": "61 minutes", "old-lost": "25 hours",
	} {
		if _, err := pool.Exec(t.Context(), `UPDATE workers SET seen_at = now() - $2::text::interval WHERE host = $1`, host, ago); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.ForgetWorkers(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := db.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range list {
		got = append(got, w.Host+" "+w.State)
	}
	want := []string{"runs running", "stops stopping", "stopped stopped", "killed lost", "killed-while-stopping lost"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tasks, list[0].Busy); diff != "" {
		t.Errorf("in hand (-want +got):\n%s", diff)
	}
	if len(list[2].Busy) != 0 || list[2].StoppedAt == nil {
		t.Errorf("stopped worker = %+v, want it to have nothing in hand", list[2])
	}
	// One that was only slow is back with its next beat, and has begun when it began.
	if err := db.Beat(t.Context(), store.Worker{ID: ids["killed"], Lanes: []string{}}, false); err != nil {
		t.Fatal(err)
	}
	if list, err = db.Workers(t.Context()); err != nil || list[2].Host != "killed" || list[2].State != store.WorkerRunning {
		t.Errorf("workers = %+v, %v; want the killed one among those that run", list, err)
	}
}
