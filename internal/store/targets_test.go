package store

import (
	"testing"

	"github.com/wosool/wosool/internal/dbtest"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	ensure := func(version int, servers ...string) []Task {
		t.Helper()
		tasks, err := db.EnsureTargets(t.Context(), servers, version)
		if err != nil {
			t.Fatal(err)
		}
		return tasks
	}
	target := func() Target {
		t.Helper()
		targets, err := db.Targets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return targets[0]
	}

	first := ensure(1, "a:5432", "b:5432")
	if len(first) != 2 || first[0].Kind != KindSchemaBootstrap || first[0].Lane != "provisioning" {
		t.Fatalf("tasks = %v", first)
	}
	if again := ensure(1, "a:5432", "b:5432"); again != nil {
		t.Errorf("again: tasks = %v, want none: they are under way", again)
	}
	if tasks, err := db.TargetReached(t.Context(), take(t, db, first[0]), 1); err != nil || tasks != nil {
		t.Fatalf("reached: %v, %v", tasks, err)
	}
	if got := target(); *got.ModelVersion != 1 || got.State != "done" {
		t.Errorf("reached: %+v", got)
	}
	if tasks := ensure(1, "a:5432"); tasks != nil {
		t.Errorf("reached already: tasks = %v, want none", tasks)
	}

	newer := ensure(2, "a:5432")
	if len(newer) != 1 {
		t.Fatalf("a newer version: tasks = %v", newer)
	}
	if tasks := ensure(1, "a:5432"); tasks != nil || target().WantedVersion != 2 {
		t.Errorf("an older worker starts: %v, wanted %d, want 2 to stay", tasks, target().WantedVersion)
	}
	tasks, err := db.TargetReached(t.Context(), take(t, db, newer[0]), 1)
	if err != nil || len(tasks) != 1 {
		t.Fatalf("an older worker reached its own version: %v, %v, want the row to go on", tasks, err)
	}
	if err := db.GiveUp(t.Context(), take(t, db, tasks[0]), "no"); err != nil {
		t.Fatal(err)
	}
	if tasks := ensure(2, "a:5432"); len(tasks) != 1 {
		t.Errorf("a failed target: tasks = %v, want another try", tasks)
	}
}
