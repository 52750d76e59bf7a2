package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const (
	auditExportFor   = 3 * time.Minute  // how long an export may take in all
	auditExportChunk = 30 * time.Second // how long a part of it may take to make and to send
)

// auditFile is how an export is written.
type auditFile interface {
	begin() error
	row(e store.AuditEntry, name string) error
	end(words string, to uuid.UUID) error // words say why it ends before the end; "" where it does not
	flush() error
}

// auditCSV answers the list that the filters choose as a table.
func (s *Server) auditCSV(w http.ResponseWriter, r *http.Request) error {
	return s.auditExport(w, r, "csv", "text/csv; charset=utf-8", func(w io.Writer) auditFile {
		out := csv.NewWriter(w)
		out.UseCRLF = true
		return auditTable{raw: w, out: out}
	})
}

// auditJSON answers the list that the filters choose as one JSON object on each line.
func (s *Server) auditJSON(w http.ResponseWriter, r *http.Request) error {
	return s.auditExport(w, r, "jsonl", "application/jsonl; charset=utf-8", func(w io.Writer) auditFile {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return auditObjects{enc}
	})
}

// auditExport streams the acts that the filters choose, a part at a time. Where it
// ends before the end, its last line says so.
func (s *Server) auditExport(w http.ResponseWriter, r *http.Request, ending, kind string, open func(io.Writer) auditFile) error {
	q, err := readAuditQuery(r)
	if err != nil {
		return err
	}
	acts, err := s.DB.AuditActs(r.Context())
	if err != nil {
		return err
	}
	q.narrow(acts)
	q.Cursor, q.Newer = uuid.Nil, false
	if _, err := s.DB.Audit(r.Context(), firstOf(q.AuditFilter)); err != nil { // while it can still be refused
		return err
	}
	// It takes longer than pages may, as long as somebody takes what comes.
	base, leave := connection(r)
	defer leave()
	ctx, cancel := context.WithTimeout(base, auditExportFor)
	defer cancel()
	rc := http.NewResponseController(w)
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }() // not every writer has deadlines

	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="audit-`+time.Now().UTC().Format("20060102-150405")+"."+ending+`"`)
	file := open(w)
	extend := func() { _ = rc.SetWriteDeadline(time.Now().Add(auditExportChunk)) }
	extend()
	if err := file.begin(); err != nil {
		return nil // the reader has gone: nothing to answer to
	}
	cut, to, err := s.DB.ExportAudit(ctx, q.AuditFilter, func(entries []store.AuditEntry) error {
		extend()
		return s.writeAudit(ctx, file, entries)
	})
	words := cutWords(cut)
	if err != nil {
		if errors.Is(base.Err(), context.Canceled) {
			return nil
		}
		s.Log.ErrorContext(ctx, "an export of the audit was cut off", "error", err)
		words = "This export failed here, so it is not whole: export again."
	}
	extend()
	if file.end(words, to) == nil {
		_ = file.flush() // the reader has gone: nothing to answer to
	}
	return nil
}

// firstOf is a filter for no more than whether its list can be made.
func firstOf(f store.AuditFilter) store.AuditFilter {
	f.Limit, f.Text = 1, ""
	return f
}

// writeAudit writes a part of an export, with the names of its stores.
func (s *Server) writeAudit(ctx context.Context, file auditFile, entries []store.AuditEntry) error {
	ids := make([]*uuid.UUID, len(entries))
	for i, e := range entries {
		ids[i] = e.TenantID
	}
	labels, err := s.DB.TenantLabels(ctx, known(ids))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, _ := storeOf(labels, e.TenantID)
		if err := file.row(e, name); err != nil {
			return err
		}
	}
	return file.flush()
}

// cutWords says why an export is not all of what was asked for.
func cutWords(cut store.AuditCut) string {
	switch cut {
	case store.AuditTooMany:
		return fmt.Sprintf("Cut here after %s acts: older ones follow. Narrow the filters, for instance to a time before this, and export again.",
			templates.Count(store.AuditExported))
	case store.AuditTooLong:
		return "Cut here: the search took too long. Older acts were not looked at. Narrow the filters, for instance to a time, and export again."
	}
	return ""
}

// auditTable writes acts as a table.
type auditTable struct {
	raw io.Writer
	out *csv.Writer
}

func (f auditTable) begin() error {
	if _, err := io.WriteString(f.raw, mark); err != nil {
		return err
	}
	return f.out.Write([]string{"id", "at", "who", "act", "what", "tenant_id", "store", "subject", "from", "before", "after", "details"})
}

func (f auditTable) row(e store.AuditEntry, name string) error {
	before, after, rest := sides(e.Details)
	tenantID := ""
	if e.TenantID != nil {
		tenantID = e.TenantID.String()
	}
	return f.out.Write([]string{
		e.ID.String(), e.At.UTC().Format(time.RFC3339Nano), cell(e.Actor), cell(e.Act), auditWords(e.Act), tenantID, cell(name),
		cell(e.Subject), cell(e.Address), cell(string(before)), cell(string(after)), cell(string(rest)),
	})
}

func (f auditTable) end(words string, to uuid.UUID) error {
	if words == "" {
		return nil
	}
	return f.out.Write([]string{"NOT WHOLE", store.EventTime(to).Format(time.RFC3339), words})
}

func (f auditTable) flush() error {
	f.out.Flush()
	return f.out.Error()
}

// sides takes what was before and after out of the details of an act.
func sides(details json.RawMessage) (before, after, rest json.RawMessage) {
	fields := objectIn(details)
	before, after = fields["before"], fields["after"]
	delete(fields, "before")
	delete(fields, "after")
	if len(fields) > 0 {
		rest, _ = json.Marshal(fields) // what was read can be written
	}
	return before, after, rest
}

// auditObjects writes acts as one object on each line.
type auditObjects struct{ enc *json.Encoder }

func (f auditObjects) begin() error { return nil }

func (f auditObjects) row(e store.AuditEntry, name string) error {
	type line struct {
		ID       uuid.UUID       `json:"id"`
		At       time.Time       `json:"at"`
		Who      string          `json:"who"`
		Act      string          `json:"act"`
		TenantID *uuid.UUID      `json:"tenant_id"`
		Store    string          `json:"store"`
		Subject  string          `json:"subject"`
		From     string          `json:"from"`
		Before   json.RawMessage `json:"before"`
		After    json.RawMessage `json:"after"`
		Details  json.RawMessage `json:"details"`
	}
	before, after, rest := sides(e.Details)
	return f.enc.Encode(line{e.ID, e.At.UTC(), e.Actor, e.Act, e.TenantID, name, e.Subject, e.Address, before, after, rest})
}

func (f auditObjects) end(words string, to uuid.UUID) error {
	if words == "" {
		return nil
	}
	return f.enc.Encode(map[string]any{"whole": false, "notice": words, "until": store.EventTime(to)})
}

func (f auditObjects) flush() error { return nil }
