package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// shares counts the places that merchants had in the whole fleet. Each process by itself
// would give them equal shares of its own places, and so hold back whoever got ahead
// there, also one who is behind everywhere else.
type shares struct {
	rdb redis.UniversalClient
	key string // a sorted set of merchants by how many places they had
}

const (
	sharesKey = "{wosool:landings}"
	// sharesPatience is how long Redis is waited for. Without it a process goes on by
	// what it knows itself.
	sharesPatience = 100 * time.Millisecond
)

// countScript counts a place of a merchant and answers what the most is that one had,
// and what this merchant and some others had. Who is further behind the most than the
// credit is as one who is not known, and is forgotten, as all are when nobody imports.
//
// KEYS: the set. ARGV: credit, the merchant, others.
var countScript = redis.NewScript(`
local credit = tonumber(ARGV[1])
local top = redis.call('ZRANGE', KEYS[1], 0, 0, 'REV', 'WITHSCORES')
local most = tonumber(top[2] or 0)
local function had(merchant)
	return math.max(tonumber(redis.call('ZSCORE', KEYS[1], merchant) or 0), most - credit)
end
local n = had(ARGV[2]) + 1
redis.call('ZADD', KEYS[1], n, ARGV[2])
most = math.max(most, n)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', most - credit)
redis.call('EXPIRE', KEYS[1], 3600)
local all = {most}
for i = 2, #ARGV do all[i] = had(ARGV[i]) end
return all
`)

// count counts a place of the first tenant. It returns what the most is that one had,
// and what each had.
func (s *shares) count(ctx context.Context, tenants []uuid.UUID) (most int, had []int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sharesPatience)
	defer cancel()
	args := []any{landingCredit}
	for _, id := range tenants {
		args = append(args, id.String())
	}
	all, err := countScript.Run(ctx, s.rdb, []string{s.key}, args...).Int64Slice()
	if err != nil {
		return 0, nil, fmt.Errorf("count a page's place: %w", err)
	}
	if len(all) != len(tenants)+1 {
		return 0, nil, fmt.Errorf("count a page's place: %d answers about %d tenants", len(all), len(tenants))
	}
	had = make([]int, len(tenants))
	for i := range had {
		had[i] = int(all[i+1])
	}
	return int(all[0]), had, nil
}
