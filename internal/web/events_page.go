package web

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/templates"
)

func (s *Server) eventPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "event")
	if err != nil {
		return err
	}
	whole, err := s.wholeEvent(r.Context(), id)
	if err != nil {
		return err
	}
	payload, err := s.DB.Payload(r.Context(), id)
	gone := errors.Is(err, fault.NotFound)
	if err != nil && !gone {
		return err
	}
	at := moments(r)
	v := templates.EventView{
		ID: id.String(), Event: whole.event.Event, Note: "from " + sourceName(whole.event.Source),
		State: whole.view(at, time.Now(), gone), Facts: whole.delivery(payload, gone, at), Headers: headerFacts(whole.event.Headers),
	}
	if changed := s.changedRecord(whole, payload); changed != nil {
		v.Facts = append([]templates.Fact{*changed}, v.Facts...)
	}
	if gone {
		v.Gone = "What it said was dropped when its retention was over. The metadata is kept."
	} else {
		v.Payload = payloadView(payload)
	}
	f := s.frame(r, whole.event.Event, "events")
	if !ended(whole.event) {
		f.Live = eventsPath + "/" + id.String() + "/live"
	}
	return s.render(w, r, http.StatusOK, templates.EventPage(f, v))
}

// eventLive streams what changes on the page of one event.
func (s *Server) eventLive(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "event")
	if err != nil {
		return err
	}
	_, err = s.DB.Payload(r.Context(), id)
	gone := errors.Is(err, fault.NotFound)
	if err != nil && !gone {
		return err
	}
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		whole, err := s.wholeEvent(ctx, id)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{"state": templates.EventStateView(whole.view(at, time.Now(), gone))}, nil
	})
}

// eventReplay applies an event again, as the operator API does.
func (s *Server) eventReplay(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "event")
	if err != nil {
		return err
	}
	e, todo, err := s.DB.ReplayEvent(r.Context(), id, operatorActor(r.Context()))
	if err != nil {
		return err
	}
	s.ring(r.Context(), s.Queue.Wake, todo)
	return s.back(w, r, eventsPath+"/"+id.String(), templates.Notice{
		Kind: templates.Well, Text: "The event " + e.Event + " is on its way again.",
	})
}

// wholeEvent is an event with all that is told of it.
type wholeEvent struct {
	event  store.Event
	work   store.EventWork
	turns  []store.EventTurn
	tries  []store.Try
	tenant *store.TenantLabel
}

func (s *Server) wholeEvent(ctx context.Context, id uuid.UUID) (wholeEvent, error) {
	var whole wholeEvent
	var err error
	if whole.event, err = s.DB.Event(ctx, id); err != nil {
		return whole, err
	}
	if whole.work, err = s.DB.EventWork(ctx, id); err != nil {
		return whole, err
	}
	if whole.turns, err = s.DB.EventTurns(ctx, id); err != nil {
		return whole, err
	}
	if whole.tries, err = s.DB.Tries(ctx, id); err != nil {
		return whole, err
	}
	labels, err := s.DB.TenantLabels(ctx, known([]*uuid.UUID{whole.event.TenantID}))
	if err != nil {
		return whole, err
	}
	for _, l := range labels {
		whole.tenant = &l
	}
	return whole, nil
}

// ended tells whether an event is at one of its ends.
func ended(e store.Event) bool {
	return e.Status == store.EventApplied || e.Status == store.EventIgnored || e.Status == store.EventFailed
}

// view is what changes on the event's page.
func (v wholeEvent) view(at func(time.Time) templates.Moment, now time.Time, gone bool) templates.EventState {
	e := v.event
	st := templates.EventState{
		Kind: eventKind(e), Status: e.Status, Trouble: sentence(eventReason(e, v.tenant)), Timeline: v.timeline(at),
		Facts: v.facts(at, now), ReplayText: replayText(e, gone), Tries: v.tried(at),
		Replay: templates.ActView{Action: eventsPath + "/" + e.ID.String() + "/replay", Label: "Replay"},
	}
	if st.Trouble != "" {
		a := eventAdvice(e, v.tenant)
		st.Todo, st.Href, st.Link = a.text, a.href, a.link
	}
	switch {
	case e.Status == store.EventReceived:
		st.Replay.Why = "it is on its way already"
		st.ReplayText = "What it does when it is replayed later: " + lowerFirst(st.ReplayText)
	case gone:
		st.Replay.Why = "what it said is no longer kept"
	}
	return st
}

// facts are how the event stands.
func (v wholeEvent) facts(at func(time.Time) templates.Moment, now time.Time) []templates.Fact {
	e := v.event
	list := []templates.Fact{{Label: "Status", Value: e.Status, Kind: eventKind(e)}}
	if v.tenant != nil {
		list = append(list, templates.Fact{Label: "Tenant", Value: v.tenant.Name, Name: true, Href: tenantHref(v.tenant.ID), Note: v.tenant.Status})
	}
	list = append(list, templates.Fact{Label: "Attempts", Value: attemptsOf(e)})
	switch {
	case e.AppliedAt != nil:
		applied := at(*e.AppliedAt)
		list = append(list, templates.Fact{Label: "Applied", Time: &applied, Note: "after " + templates.Duration(e.AppliedAt.Sub(e.ReceivedAt))})
	case v.work.LeaseUntil != nil:
		list = append(list, templates.Fact{Label: "Now", Value: "a worker has it", Kind: templates.Run})
	case v.work.State == "runnable" && v.work.DueAt != nil && v.work.DueAt.After(now):
		list = append(list, templates.Fact{Label: "Next attempt", Value: spokenDelay(*v.work.DueAt, now)})
	case v.work.State == "runnable":
		list = append(list, templates.Fact{Label: "Now", Value: "waits for a free worker", Kind: templates.Wait})
	}
	return list
}

// delivery is what the event was when it came in.
func (v wholeEvent) delivery(p store.Payload, gone bool, at func(time.Time) templates.Moment) []templates.Fact {
	e := v.event
	received := at(e.ReceivedAt)
	list := []templates.Fact{
		{Label: "Received", Time: &received, Note: received.Exact},
		{Label: "Event", Value: e.Event, Href: listHref(eventsPath, url.Values{}, "event", e.Event)},
		{Label: "Source", Value: sourceName(e.Source)},
	}
	if e.Merchant != nil {
		list = append(list, templates.Fact{Label: "Merchant", Value: number(e.Merchant), Href: eventsPath + "?merchant=" + number(e.Merchant)})
	}
	if e.OccurredAt != nil {
		occurred := at(*e.OccurredAt)
		list = append(list, templates.Fact{Label: "Occurred", Time: &occurred, Note: "by the source's clock"})
	}
	id := tasks.Ref{Kind: store.KindEventApply, ID: e.ID, Epoch: v.work.Epoch}.TaskID()
	list = append(list,
		templates.Fact{Label: "Lane", Value: v.work.Lane, Href: lanesPath},
		templates.Fact{Label: "Task", Value: id, Mono: true, Copy: true})
	if !gone {
		list = append(list, templates.Fact{
			Label: "Body", Value: templates.Bytes(int64(p.Length)), Note: "SHA-256 " + hex.EncodeToString(p.Hash)[:min(16, 2*len(p.Hash))] + "…",
		})
	}
	return list
}

// timeline is what happened to the event, newest first. What is now stands on top.
func (v wholeEvent) timeline(at func(time.Time) templates.Moment) []templates.TimelineItem {
	e := v.event
	var list []templates.TimelineItem
	if v.work.State == "runnable" && v.work.DueAt != nil && v.work.DueAt.After(time.Now()) {
		list = append(list, templates.TimelineItem{Time: at(*v.work.DueAt), Kind: "task", Status: templates.Wait, Title: "next attempt"})
	}
	switch {
	case e.Status == store.EventFailed:
		list = append(list, templates.TimelineItem{
			Time: momentOf(at, v.work.DueAt), Kind: "task", Status: templates.Broken, Title: "given up", Detail: deref(e.Error),
		})
	case e.Status == store.EventIgnored:
		list = append(list, templates.TimelineItem{Kind: "event", Status: templates.Off, Title: "ignored", Detail: deref(e.Error)})
	case e.Status == store.EventWaiting:
		list = append(list, templates.TimelineItem{Kind: "event", Status: templates.Wait, Title: "waiting", Detail: eventReason(e, v.tenant)})
	case e.Status == store.EventReceived && e.Error != nil:
		list = append(list, templates.TimelineItem{
			Kind: "task", Status: templates.Wait, Title: "attempt " + templates.Count(e.Attempts), Detail: *e.Error,
		})
	}
	turns := slices.Clone(v.turns)
	if e.AppliedAt != nil {
		turns = append(turns, store.EventTurn{At: *e.AppliedAt, Kind: "applied"})
	}
	slices.SortStableFunc(turns, func(a, b store.EventTurn) int { return b.At.Compare(a.At) })
	for _, t := range turns {
		list = append(list, turnItem(t, at))
	}
	list = append(list, templates.TimelineItem{Time: at(e.ReceivedAt), Kind: "event", Title: "received", Detail: "from " + sourceName(e.Source)})
	if e.OccurredAt != nil && e.OccurredAt.Before(e.ReceivedAt) {
		list = append(list, templates.TimelineItem{Time: at(*e.OccurredAt), Kind: "event", Title: "occurred", Detail: "by the source's clock"})
	}
	return list
}

func turnItem(t store.EventTurn, at func(time.Time) templates.Moment) templates.TimelineItem {
	item := templates.TimelineItem{Time: at(t.At), Kind: "event", Title: t.Kind}
	switch t.Kind {
	case "applied":
		item.Status = templates.Well
	case "healed":
		item.Kind, item.Title, item.Detail = "task", "put back", t.Words
	default:
		item.Kind, item.Title = "person", t.Kind+" by "+t.Actor
		if t.Words != "" {
			item.Detail = "it was " + t.Words
		}
	}
	return item
}

// payloadView is what a delivery said: its document, or its text where it is none.
func payloadView(p store.Payload) *templates.PayloadView {
	v := &templates.PayloadView{Title: "Payload", Text: p.Text, Note: "As text: it is not JSON. Runs that may be credentials are [redacted]."}
	if p.JSON != nil {
		v.Text, v.JSON, v.Note = string(p.JSON), true, "Whole. Credentials are [redacted]."
	}
	return v
}

// headerFacts are the headers that were kept, by name.
func headerFacts(raw json.RawMessage) []templates.Fact {
	var headers map[string]string
	if json.Unmarshal(raw, &headers) != nil {
		return nil // it is ours and always an object of strings
	}
	var list []templates.Fact
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		list = append(list, templates.Fact{Label: name, Value: headers[name], Mono: true})
	}
	return list
}

func sourceName(source string) string {
	switch source {
	case "salla":
		return "Salla"
	case "clerk":
		return "Clerk"
	}
	return source
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// lowerFirst lets a sentence go on another one.
func lowerFirst(s string) string {
	if s == "" {
		return ""
	}
	return string(s[0]|0x20) + s[1:]
}
