package web

import (
	"context"
	"strings"

	"github.com/wosool/wosool/internal/store"
)

// notePaused puts into an act on a lane whether it was paused, and is.
func notePaused(act store.Act, was, is bool) {
	act.Details["before"], act.Details["after"] = map[string]any{"paused": was}, map[string]any{"paused": is}
}

// noteLaneBefore puts into an act on a lane how the lane stands before it: whether it
// is paused, or how many of the tasks there are that the act is about. Where Redis
// does not tell, the act goes on without.
func (s *Server) noteLaneBefore(ctx context.Context, act store.Act) {
	lane, _ := act.Details["lane"].(string)
	stats, down := s.laneStats(ctx)
	l, known := stats[lane]
	if down || !known {
		return
	}
	switch act.Name {
	case "queue.pause":
		notePaused(act, l.Paused, true)
	case "queue.resume":
		notePaused(act, l.Paused, false)
	case "queue.delete", "tasks.run", "tasks.archive", "tasks.delete", "tasks.cancel":
		act.Details["before"] = map[string]any{"pending": l.Pending, "active": l.Active, "retry": l.Retry, "archived": l.Archived}
	case "task.run", "task.archive", "task.delete", "task.cancel":
		state, _, _ := strings.Cut(act.Subject, " task ")
		act.Details["before"] = map[string]any{"state": state}
		act.Details["after"] = map[string]any{"state": taskAfter(strings.TrimPrefix(act.Name, "task."))}
	}
}

// taskAfter is what an act leaves a task as.
func taskAfter(verb string) string {
	return map[string]string{"run": "pending", "archive": "archived", "delete": "deleted", "cancel": "cancelled"}[verb]
}
