package tasks

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/dbtest"
)

// What is in hand is of the lane and kinds asked for, and not what a worker that
// died left in Asynq's list.
func TestInHand(t *testing.T) {
	t.Parallel()
	rdb, err := OpenRedis(dbtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	queue := NewEnqueuer(rdb)
	wanted := Ref{Kind: ProvisionTenant{}.Kind(), ID: uuid.New(), Epoch: 2, Lane: LaneProvisioning}
	refs := []Ref{
		wanted,
		{Kind: RefreshToken{}.Kind(), ID: uuid.New(), Epoch: 1, Lane: LaneProvisioning},
		{Kind: ApplyEvent{}.Kind(), ID: uuid.New(), Epoch: 1, Lane: LaneEvents},
	}
	if err := queue.Enqueue(t.Context(), refs...); err != nil {
		t.Fatal(err)
	}
	inHand := func() []string {
		t.Helper()
		ids, err := queue.InHand(t.Context(), LaneProvisioning, ProvisionTenant{}.Kind(), ApplyEvent{}.Kind())
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if got := inHand(); len(got) != 0 {
		t.Errorf("in hand before any worker: %v", got)
	}
	dead := redis.Z{Score: float64(time.Now().Add(-time.Second).Unix()), Member: "tenant:provision:" + uuid.NewString() + ":1"}
	if err := rdb.ZAdd(t.Context(), "asynq:{provisioning}:lease", dead).Err(); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: 5, Queues: map[string]int{LaneProvisioning: 1, LaneEvents: 1}, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 20 * time.Millisecond,
	})
	hold := asynq.NewServeMux()
	for _, r := range refs {
		hold.HandleFunc(r.Kind, func(_ context.Context, _ *asynq.Task) error {
			<-release
			return nil
		})
	}
	if err := server.Start(hold); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)

	dbtest.Eventually(t, 10*time.Second, "only the setup is in hand", func() bool {
		return slices.Equal(inHand(), []string{wanted.TaskID()})
	})
	close(release)
	dbtest.Eventually(t, 10*time.Second, "nothing is in hand", func() bool { return len(inHand()) == 0 })
}
