package web

import (
	"context"

	"github.com/wosool/wosool/internal/store"
)

// DrainSpool commits the deliveries that were kept on disk while PostgreSQL was
// down, and has their tasks queued, until ctx ends.
func (s *Server) DrainSpool(ctx context.Context) {
	s.Inbox.Drain(ctx, func(ctx context.Context, todo []store.Task) { s.ring(ctx, s.Queue.Enqueue, todo) })
}
