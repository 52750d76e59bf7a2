package tasks

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// inHandMost bounds what InHand reads: a fleet may have thousands of tasks in hand.
const inHandMost = 200

// InHand returns the ids of tasks of a lane that workers of the fleet have in hand,
// of the given kinds only, at most two hundred. It reads Asynq's leases and not its
// list of active tasks: a task whose worker died leaves them after half a minute,
// and the list perhaps never.
func (e *Enqueuer) InHand(ctx context.Context, lane string, kinds ...string) ([]string, error) {
	ids, err := e.rdb.ZRangeByScore(ctx, "asynq:{"+lane+"}:lease", &redis.ZRangeBy{
		Min: strconv.FormatInt(time.Now().Unix(), 10), Max: "+inf", Count: inHandMost,
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("read what is in hand of lane %s: %w", lane, err)
	}
	wanted := ids[:0]
	for _, id := range ids {
		for _, kind := range kinds {
			if strings.HasPrefix(id, kind+":") {
				wanted = append(wanted, id)
			}
		}
	}
	return wanted, nil
}
