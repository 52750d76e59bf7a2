package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for i := range 4 {
		s.event(fmt.Sprintf(`{"event":"order.created","merchant":%d,"created_at":"2026-01-31 10:00:00","data":{"id":%d}}`, 77+i%2, i))
	}
	s.exec(`UPDATE events SET status = 'failed', state = 'failed', error = 'x', last_error = 'Salla answered 500 for ' || id, attempts = 12`)
	s.exec(`UPDATE events SET due_at = now() - interval '3 days' WHERE merchant = 78`)
	var list struct {
		Data []struct {
			Task, ID, Group string
			Merchant        int
		}
		Next *string
	}

	for args, want := range map[string]int{
		"": 4, "--merchant=77": 2, "--older=2d": 2, "--newer=36h": 2, "--reason=ANSWERED": 4, "--task=import:page": 0, "--lane=events": 4, "--limit=1": 1,
	} {
		s.json(&list, "dead list "+args)
		if len(list.Data) != want {
			t.Errorf("dead list %s: %d, want %d", args, len(list.Data), want)
		}
	}
	s.json(&list, "dead list --limit=3")
	s.json(&list, "dead list --limit=3 --after="+*list.Next)
	if len(list.Data) != 1 || list.Next != nil {
		t.Errorf("second page = %+v", list)
	}
	if out := s.done("dead list --reason=" + list.Data[0].Group); strings.Count(out, "order") != 0 || strings.Count(out, "\n") != 5 {
		t.Errorf("list = %s", out)
	}

	var would struct {
		WouldRetry int   `json:"would_retry"`
		Sample     []any `json:"sample"`
	}
	s.json(&would, "dead retry --merchant=78 --dry-run")
	if would.WouldRetry != 2 || len(would.Sample) != 2 || s.db(`SELECT count(*)::text FROM events WHERE state = 'failed'`) != "4" {
		t.Errorf("a dry run = %+v, want two, and nothing changed", would)
	}
	var done struct{ Retried, Remaining int }
	s.json(&done, "dead retry --older=2d --why=mended")
	if done.Retried != 2 || done.Remaining != 0 {
		t.Errorf("retried = %+v", done)
	}
	if got := s.db(`SELECT act || ' ' || (details->>'count') || ' ' || (details->>'reason') FROM audit`); got != "dead.retry 2 mended" {
		t.Errorf("audit = %s", got)
	}
	if out := s.done("dead retry --all"); !strings.Contains(out, "2 retried, 0 remaining.") {
		t.Errorf("retry --all: %s", out)
	}
	for _, misuse := range []string{
		"dead retry", "dead retry --dry-run", "dead retry --all --merchant=7", "dead retry --older=soon", "dead list --task=no:such",
		"dead list --lane=x", "dead retry --older=2h --newer=1h",
	} {
		if out, errs, code := s.run(misuse); code != 2 || out != "" || errs == "" {
			t.Errorf("wosool %s: exit %d, %q, want 2", misuse, code, out)
		}
	}
	s.refused("dead list --after=x", "the cursor is not one that a list gave")
}

func TestEventsByTimeAndText(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	id := s.event(`{"event":"order.created","merchant":77,"created_at":"2026-01-31 10:00:00","data":{"id":5521}}`)
	s.event(`{"event":"order.created","merchant":77,"created_at":"2026-01-31 10:00:00","data":{"id":4}}`)
	var list struct {
		Data []struct{ ID string }
		Next *string
	}

	s.json(&list, "events list --merchant=77 --text=5521")
	if len(list.Data) != 1 || list.Data[0].ID != id || list.Next != nil {
		t.Errorf("by text: %+v", list)
	}
	s.json(&list, "events list --to=2020-01-01T00:00:00Z")
	if len(list.Data) != 0 {
		t.Errorf("before all: %+v", list)
	}
	s.json(&list, "events list --from=2020-01-01T00:00:00Z")
	if len(list.Data) != 2 {
		t.Errorf("since long ago: %+v", list)
	}
	s.refused("events list --text=5521", "at most 31 days")
}
