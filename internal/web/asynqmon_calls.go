package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// The most that a call may ask for: a page of so many tasks, and a page whose
// first task's number can still be counted.
const (
	queuesPageSize = 100
	queuesLastPage = math.MaxInt32
)

// queuesCall answers one call of Asynqmon's page. Its errors are plain text,
// which the page shows as they are. What changes something is in the audit.
func (s *Server) queuesCall(w http.ResponseWriter, r *http.Request, call string) {
	answer := &kept{header: http.Header{}, status: http.StatusOK}
	err := s.redisAnswers(r.Context())
	if err == nil {
		err = s.askQueues(answer, r, call)
	}
	switch {
	case errors.Is(r.Context().Err(), context.Canceled):
		return // whoever asked has gone
	case err != nil:
		p, known := answerTo(err)
		if !known {
			s.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "route", routeOf(r), "error", err)
		}
		http.Error(w, p.Message, p.Status)
	case answer.status >= http.StatusInternalServerError && strings.Contains(answer.String(), "not found"):
		http.Error(w, "It is not there any more: something else took it. Load the page again.", http.StatusNotFound)
	case answer.status >= http.StatusInternalServerError:
		s.Log.ErrorContext(r.Context(), "asynqmon failed", "method", r.Method, "route", routeOf(r), "error", redact(answer.String()))
		http.Error(w, "Redis refused this. It is in the log of the api.", http.StatusBadGateway)
	case answer.status >= http.StatusBadRequest:
		http.Error(w, redact(strings.TrimSpace(answer.String())), answer.status)
	case answer.Len() == 0:
		w.WriteHeader(answer.status)
	default:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(answer.status)
		_, _ = w.Write(redactFailures(answer.Bytes())) // the browser has gone: nothing to answer to
	}
}

// askQueues has Asynqmon do a call, and notes it with who asked where it is an act.
func (s *Server) askQueues(answer *kept, r *http.Request, call string) error {
	body, err := io.ReadAll(r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &problem{Status: http.StatusRequestEntityTooLarge, Code: codeTooLarge, Message: "the request is too large"}
	}
	if err != nil {
		return malformed("", "the request ended before it was whole")
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !isAct(r) {
		r.URL.RawQuery = boundedPage(r.URL.Query())
		s.Asynqmon.ui.ServeHTTP(answer, r)
		return nil
	}
	act, ok := queuesAct(r.Method, call, body)
	if !ok {
		return fault.New(fault.NotFound, "there is no such act")
	}
	by := operatorActor(r.Context())
	// The act goes on when whoever asked has gone: it can't be taken back half way.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), queuesTimeout)
	defer cancel()
	s.noteLaneBefore(ctx, act)
	err = s.DB.Noted(ctx, by, act, func() error {
		s.Asynqmon.ui.ServeHTTP(answer, r)
		if answer.status >= http.StatusBadRequest {
			return errNotDone
		}
		return nil
	})
	if errors.Is(err, errNotDone) {
		return nil // the answer says why
	}
	return err
}

// boundedPage is a query whose page of tasks is one that can be made: Asynqmon
// takes any size. What is no number it replaces by its own.
func boundedPage(q url.Values) string {
	for name, most := range map[string]int{"size": queuesPageSize, "page": queuesLastPage} {
		if n, err := strconv.Atoi(q.Get(name)); err == nil {
			q.Set(name, strconv.Itoa(min(max(n, 1), most)))
		}
	}
	return q.Encode()
}

var errNotDone = errors.New("not done")

// queuesAct puts a call that changes something in words. ok is false for what
// Asynqmon has no such call.
func queuesAct(method, call string, body []byte) (act store.Act, ok bool) {
	act.Details = map[string]any{"method": method, "path": call}
	parts := strings.Split(strings.TrimPrefix(call, "/queues/"), "/")
	if parts[0] == "" || !strings.HasPrefix(call, "/queues/") {
		return act, false
	}
	lane, verb, _ := strings.Cut(parts[0], ":")
	act.Details["lane"] = lane
	if len(parts) == 1 {
		switch {
		case method == http.MethodDelete && verb == "":
			verb = "delete"
		case method != http.MethodPost || verb != "pause" && verb != "resume":
			return act, false
		}
		act.Name, act.Subject = "queue."+verb, "lane "+lane
		return act, true
	}
	if len(parts) == 5 && parts[1] == "groups" || len(parts) == 4 && parts[1] == "groups" {
		parts = append(parts[:1], parts[3:]...)
	}
	set, verb, _ := strings.Cut(parts[1], ":")
	state, isTasks := strings.CutSuffix(set, "_tasks")
	if !isTasks || len(parts) > 3 {
		return act, false
	}
	if len(parts) == 3 {
		return oneTaskAct(act, method, lane, state, parts[2])
	}
	return manyTasksAct(act, lane, state, verb, body)
}

// oneTaskAct reads ID:VERB. A task's id has colons itself.
func oneTaskAct(act store.Act, method, lane, state, last string) (store.Act, bool) {
	id, verb := last, "delete"
	if method == http.MethodPost {
		i := strings.LastIndexByte(last, ':')
		if i < 0 {
			return act, false
		}
		id, verb = last[:i], last[i+1:]
	}
	if !queuesVerb(verb) {
		return act, false
	}
	act.Name, act.Subject = "task."+verb, fmt.Sprintf("%s task %s of lane %s", state, id, lane)
	if kind, rest, ok := strings.Cut(id, ":"); ok && kind == "tenant" {
		if _, row, ok := strings.Cut(rest, ":"); ok { // tenant:provision:ID:EPOCH
			row, _, _ = strings.Cut(row, ":")
			act.Tenant, _ = uuid.Parse(row) // a task of somebody else's making is of no tenant
		}
	}
	return act, true
}

// queuesVerb tells whether something can be done so to a task.
func queuesVerb(verb string) bool {
	return verb == "run" || verb == "archive" || verb == "delete" || verb == "cancel"
}

// manyTasksAct reads run_all or batch_run, whose ids are in the body.
func manyTasksAct(act store.Act, lane, state, verb string, body []byte) (store.Act, bool) {
	if one, ok := strings.CutSuffix(verb, "_all"); ok && queuesVerb(one) {
		act.Name, act.Subject = "tasks."+one, fmt.Sprintf("every %s task of lane %s", state, lane)
		return act, true
	}
	one, ok := strings.CutPrefix(verb, "batch_")
	if !ok || !queuesVerb(one) {
		return act, false
	}
	var named struct {
		IDs []string `json:"task_ids"`
	}
	if json.Unmarshal(body, &named) != nil {
		return act, false
	}
	act.Name, act.Subject = "tasks."+one, fmt.Sprintf("%d %s tasks of lane %s", len(named.IDs), state, lane)
	act.Details["tasks"] = named.IDs
	return act, true
}
