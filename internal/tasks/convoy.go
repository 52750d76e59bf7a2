package tasks

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// convoy is a Redis client whose calls of scripts share round trips: a call that
// comes while others are on their way goes with the next ones. Who comes alone
// waits for nobody, each call has its own answer, and there is no goroutine while
// nobody calls. All else goes straight to the client.
type convoy struct {
	redis.UniversalClient

	mu      sync.Mutex
	next    *trip // what gathers; nil: nothing does
	driving bool
}

// trip is one round trip. Its calls are answered once done is closed.
type trip struct {
	calls redis.Pipeliner
	done  chan struct{}
}

// EvalSha calls a script that Redis knows. Where ctx ends before the answer,
// nobody knows whether it has run.
func (c *convoy) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	c.mu.Lock()
	if c.next == nil {
		c.next = &trip{calls: c.Pipeline(), done: make(chan struct{})}
	}
	t := c.next
	cmd := t.calls.EvalSha(ctx, sha, keys, args...)
	if !c.driving {
		c.driving = true
		go c.drive()
	}
	c.mu.Unlock()
	select {
	case <-t.done:
		return cmd
	case <-ctx.Done():
		left := redis.NewCmd(ctx, "evalsha", sha) // cmd is still the trip's
		left.SetErr(ctx.Err())
		return left
	}
}

// drive makes trips until there is nobody left to take.
func (c *convoy) drive() {
	for {
		c.mu.Lock()
		t := c.next
		c.next = nil
		c.driving = t != nil
		c.mu.Unlock()
		if t == nil {
			return
		}
		// Of nobody alone: who can't wait leaves, the others are answered.
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		_, _ = t.calls.Exec(ctx) // each call has its own error
		cancel()
		close(t.done)
	}
}
