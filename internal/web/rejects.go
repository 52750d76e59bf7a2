package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// redriveMost is how many rejects one request re-drives at most.
const redriveMost = 5000

// Reject is a record that could not be stored, as the operator API shows it.
type Reject struct {
	ID         uuid.UUID  `json:"id"`
	Import     *uuid.UUID `json:"import"`
	Resource   string     `json:"resource"`
	SourceID   *string    `json:"source_id"`
	Field      *string    `json:"field"`
	Reason     string     `json:"reason"`
	CreatedAt  time.Time  `json:"created_at"`
	RedrivenAt *time.Time `json:"redriven_at"`
}

// RejectOf shows a reject without its record.
func RejectOf(r tenantdb.StoredReject) Reject {
	shown := Reject{
		ID: r.ID, Resource: r.Resource, SourceID: r.SourceID, Field: r.Field, Reason: r.Reason,
		CreatedAt: r.CreatedAt.UTC(), RedrivenAt: r.RedrivenAt,
	}
	if r.Run != uuid.Nil {
		shown.Import = &r.Run
	}
	if r.RedrivenAt != nil {
		at := r.RedrivenAt.UTC()
		shown.RedrivenAt = &at
	}
	return shown
}

// wholeReject is one reject with its record: JSON, or text if it does not parse;
// null once it is no longer kept.
type wholeReject struct {
	Reject

	Record any `json:"record"`
}

func (s *Server) listRejects(w http.ResponseWriter, r *http.Request) error {
	q, err := readRejectsQuery(r)
	if err != nil {
		return err
	}
	open, err := queryOneOf(r, "open", "true", "false")
	if err != nil {
		return err
	}
	f := q.filter()
	f.Open = open != "false"
	var limit int
	if limit, f.Before, err = paging(r); err != nil {
		return err
	}
	f.Limit = limit + 1
	t, err := s.tenantOf(r)
	if err != nil {
		return err
	}
	var found []tenantdb.StoredReject
	err = s.lookInto(r.Context(), t, func(ctx context.Context, db *tenantdb.DB) error {
		found, err = db.Rejects(ctx, f)
		return err
	})
	if err != nil {
		return unshut(err)
	}
	page := struct {
		Data []Reject `json:"data"`
		Next *string  `json:"next"`
	}{Data: make([]Reject, min(len(found), limit))}
	for i := range page.Data {
		page.Data[i] = RejectOf(found[i])
	}
	if len(found) > limit {
		next := cursorAfter(found[limit-1].ID)
		page.Next = &next
	}
	return writeJSON(w, http.StatusOK, page)
}

func (s *Server) showReject(w http.ResponseWriter, r *http.Request) error {
	t, err := s.tenantOf(r)
	if err != nil {
		return err
	}
	id, err := idOf(r, "reject", "reject")
	if err != nil {
		return err
	}
	var found tenantdb.StoredReject
	err = s.lookInto(r.Context(), t, func(ctx context.Context, db *tenantdb.DB) error {
		found, err = db.Reject(ctx, id)
		return err
	})
	if err != nil {
		return unshut(err)
	}
	shown := wholeReject{Reject: RejectOf(found)}
	switch {
	case json.Valid([]byte(found.Record)):
		shown.Record = json.RawMessage(found.Record)
	case found.Record != "":
		shown.Record = found.Record
	}
	return writeJSON(w, http.StatusOK, shown)
}

// rejectChoice is which rejects are to be re-driven.
type rejectChoice struct {
	IDs      []string `json:"ids"`
	Run      string   `json:"run"`
	Resource string   `json:"resource"`
	Field    string   `json:"field"`
	Reason   string   `json:"reason"`
	Cursor   string   `json:"cursor"`
	DryRun   bool     `json:"dry_run"`
}

func (c rejectChoice) filter() (f imports.RedriveFilter, err error) {
	if len(c.IDs) > maxLimit {
		return f, invalid("ids", fmt.Sprintf("ids must not be more than %d", maxLimit))
	}
	if c.IDs != nil && len(c.IDs) == 0 {
		return f, invalid("ids", "ids must name a reject, or not be there")
	}
	for _, text := range c.IDs {
		id, err := uuid.Parse(text)
		if err != nil {
			return f, malformed("ids", "ids must be ids of rejects")
		}
		f.IDs = append(f.IDs, id)
	}
	if f.Run, err = queryRun(c.Run); err != nil {
		return f, err
	}
	if c.Resource != "" && !slices.Contains(tenant.Resources(), c.Resource) {
		return f, invalid("resource", "resource must be one of "+strings.Join(tenant.Resources(), ", "))
	}
	f.Resource = c.Resource
	if f.Field, err = plain("field", c.Field, fieldMost); err != nil {
		return f, err
	}
	if f.Reason, err = plain("reason", c.Reason, reasonMost); err != nil {
		return f, err
	}
	if c.Cursor != "" {
		if f.After, err = readCursor(c.Cursor); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (s *Server) redriveRejects(w http.ResponseWriter, r *http.Request) error {
	var c rejectChoice
	if err := decode(w, r, &c); err != nil {
		return err
	}
	f, err := c.filter()
	if err != nil {
		return err
	}
	t, err := s.tenantOf(r)
	if err != nil {
		return err
	}
	if c.DryRun {
		trial, err := s.tryRedrive(r.Context(), t, f)
		if err != nil {
			return unshut(err)
		}
		return writeJSON(w, http.StatusOK, TrialOf(trial))
	}
	done, err := s.redrive(r.Context(), t, actor(r.Context()), f)
	if err != nil {
		return unshut(err)
	}
	return writeJSON(w, http.StatusAccepted, RedrivenOf(done))
}

// RejectReason is how many rejects have one reason.
type RejectReason struct {
	Resource string `json:"resource"`
	Field    string `json:"field"`
	Reason   string `json:"reason"`
	Count    int    `json:"count"`
}

func rejectReasons(groups []tenantdb.RejectGroup) []RejectReason {
	list := make([]RejectReason, len(groups))
	for i, g := range groups {
		list[i] = RejectReason{Resource: g.Resource, Field: g.Field, Reason: g.Reason, Count: g.Count}
	}
	return list
}

// Redriven is what re-driving rejects came to, as the operator API shows it.
type Redriven struct {
	Tried         int            `json:"tried"`
	Stored        int            `json:"stored"`
	Unchanged     int            `json:"unchanged"`
	Overtaken     int            `json:"overtaken"`
	StillRejected []RejectReason `json:"still_rejected"`
	AskedAgain    int            `json:"asked_again"`
	Left          int            `json:"left"`
	AtLeast       bool           `json:"at_least,omitempty"` // more may be left: not all were counted
	Next          *string        `json:"next"`
}

// RedrivenOf shows what re-driving came to.
func RedrivenOf(r imports.Redriven) Redriven {
	shown := Redriven{
		Tried: r.Tried, Stored: r.Stored, Unchanged: r.Unchanged, Overtaken: r.Overtaken, StillRejected: rejectReasons(r.Still),
		AskedAgain: r.Asked, Left: min(r.Left, rejectsMany), AtLeast: r.Left > rejectsMany,
	}
	if r.Next != uuid.Nil {
		next := cursorAfter(r.Next)
		shown.Next = &next
	}
	return shown
}

// Trial is what re-driving would do, as the operator API shows it.
type Trial struct {
	WouldRedrive  int            `json:"would_redrive"`
	AtLeast       bool           `json:"at_least,omitempty"` // there may be more: not all were counted
	LookedAt      int            `json:"looked_at"`
	Understood    int            `json:"understood"`
	AskedAgain    int            `json:"asked_again"`
	StillRejected []RejectReason `json:"still_rejected"`
}

// TrialOf shows what re-driving would do.
func TrialOf(t imports.Trial) Trial {
	return Trial{
		WouldRedrive: min(t.Chosen, rejectsMany), AtLeast: t.Chosen > rejectsMany, LookedAt: t.Looked,
		Understood: t.Understood, AskedAgain: t.Asked, StillRejected: rejectReasons(t.Still),
	}
}

// redrive re-drives rejects and rings for the reads that it wants. Where the
// database can't be reached the error says it in a sentence: see shut.
func (s *Server) redrive(ctx context.Context, t store.Tenant, by store.Actor, f imports.RedriveFilter) (imports.Redriven, error) {
	if err := s.redrivable(t); err != nil {
		return imports.Redriven{}, err
	}
	done, todo, err := s.Imports.Redrive(ctx, t.ID, by, f, redriveMost)
	s.ring(ctx, s.Queue.Wake, todo)
	return done, s.closed(ctx, t, err)
}

func (s *Server) tryRedrive(ctx context.Context, t store.Tenant, f imports.RedriveFilter) (imports.Trial, error) {
	if err := s.redrivable(t); err != nil {
		return imports.Trial{}, err
	}
	trial, err := s.Imports.TryRedrive(ctx, t.ID, f)
	return trial, s.closed(ctx, t, err)
}

func (s *Server) redrivable(t store.Tenant) error {
	if s.Imports == nil {
		return &shutError{notice: templates.Notice{Kind: templates.Off, Text: "This process does not open the databases of stores."}}
	}
	return shutStatus(t)
}

// closed turns an error that says that a tenant's database can't be reached into a
// sentence.
func (s *Server) closed(ctx context.Context, t store.Tenant, err error) error {
	if err == nil {
		return nil
	}
	n, ok := shutWords(t, err)
	if fe, conflict := errors.AsType[*fault.Error](err); conflict && fe.Kind == fault.Conflict {
		n, ok = templates.Notice{Kind: templates.Wait, Text: "Nothing was changed: " + closed(fe.Msg)}, true
	}
	if !ok || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	s.Log.WarnContext(ctx, "a tenant's database cannot be written to", "tenant_id", t.ID, "error", err)
	return &shutError{notice: n, err: err}
}

// unshut turns the sentence that says why a database is shut into an answer of the
// API.
func unshut(err error) error {
	closed, ok := errors.AsType[*shutError](err)
	if !ok {
		return err
	}
	if errors.Is(closed.err, fault.Unavailable) || unreachable(closed.err) || tenantdb.TooSlow(closed.err) {
		return &problem{Status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: closed.notice.Text, Retry: 5 * time.Second}
	}
	return &problem{Status: http.StatusConflict, Code: codeConflict, Message: closed.notice.Text}
}

// queryRun reads the id of an import; the nil UUID where it is not given.
func queryRun(text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.Nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, malformed("run", "run must be the id of an import")
	}
	return id, nil
}

// plain reads a text of bounded length that a database can hold, as it stands.
func plain(name, text string, most int) (string, error) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", malformed(name, name+" must be UTF-8 without null characters")
	}
	if len(text) > most {
		return "", invalid(name, fmt.Sprintf("%s must not be longer than %d bytes", name, most))
	}
	return text, nil
}

// readCursor reads the cursor that goes on after the last one shown.
func readCursor(text string) (uuid.UUID, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return uuid.Nil, malformed("cursor", "the cursor is not one that a list gave")
	}
	id, err := uuid.FromBytes(raw)
	if err != nil {
		return uuid.Nil, malformed("cursor", "the cursor is not one that a list gave")
	}
	return id, nil
}
