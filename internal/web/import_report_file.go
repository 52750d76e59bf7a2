package web

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// showImport answers one import with its passes, its progress and why records were
// rejected.
func (s *Server) showImport(w http.ResponseWriter, r *http.Request) error {
	p, err := s.importReportOf(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, p)
}

// importReportFile is showImport as a file, for the console.
func (s *Server) importReportFile(w http.ResponseWriter, r *http.Request) error {
	p, err := s.importReportOf(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="`+p.file()+`.json"`)
	return writeJSON(w, http.StatusOK, p)
}

// importReportCSV answers the report of an import as a table.
func (s *Server) importReportCSV(w http.ResponseWriter, r *http.Request) error {
	p, err := s.importReportOf(r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+p.file()+`.csv"`)
	w.WriteHeader(http.StatusOK)
	_ = p.writeCSV(w) // the reader has gone: nothing to answer to
	return nil
}

func (s *Server) importReportOf(r *http.Request) (ImportReport, error) {
	id, err := pathID(r, "import")
	if err != nil {
		return ImportReport{}, err
	}
	p, t, err := readImportReport(r.Context(), s.DB, s.Allowance, id)
	if err != nil {
		return ImportReport{}, err
	}
	return p, s.fillRejects(r.Context(), &p, t)
}

// file is what the report's file is called, without its ending: the slug has only
// letters, digits and hyphens.
func (p ImportReport) file() string {
	return "import-" + p.slug + "-" + p.CreatedAt.Format("20060102-150405")
}

// mark is the byte order mark: without it, Excel takes UTF-8 for something else and
// shows no Arabic.
const mark = "\ufeff"

// writeCSV writes the report as two tables, one below the other: the passes, and the
// reasons of the rejects.
func (p ImportReport) writeCSV(w io.Writer) error {
	if _, err := io.WriteString(w, mark); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	row := func(cells ...any) {
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = cell(c)
		}
		_ = out.Write(texts) // Flush tells
	}
	row("import", "store", "merchant", "kind", "status", "asked_by", "since", "created_at", "started_at", "finished_at", "reason")
	row(p.ID.String(), p.Store, p.Merchant, p.Kind, p.Status, p.AskedBy, p.Since, p.CreatedAt, p.StartedAt, p.FinishedAt, p.Reason)
	row("")
	row("resource", "pass", "status", "pages", "records", "imported", "unchanged", "rejected", "deleted_at_source", "source_total_before",
		"source_total_after", "stored", "difference", "explanation", "started_at", "finished_at", "seconds", "calls", "records_per_second")
	for _, x := range p.Passes {
		row(x.Resource, x.Pass, x.Status, x.Pages, x.Records, x.Imported, x.Unchanged, x.Rejected, x.Deleted, x.Before,
			x.After, x.Stored, x.Difference, x.Explanation, x.StartedAt, x.FinishedAt, x.Seconds, x.Calls, x.RecordsPerSecond)
	}
	row("")
	row("rejects_of", "field", "reason", "records")
	for _, x := range p.Rejects {
		row(x.Resource, x.Field, x.Reason, x.Records)
	}
	if p.RejectsNote != nil {
		row("", "", *p.RejectsNote)
	}
	out.Flush()
	return out.Error()
}

// cell prints one value of a table; what is not there is empty. A text that a
// spreadsheet would take for a formula gets an apostrophe before it.
func cell(v any) string {
	switch v := v.(type) {
	case string:
		if v != "" && (strings.ContainsRune("=+-@\t\r\n", rune(v[0])) || strings.HasPrefix(v, "＝") ||
			strings.HasPrefix(v, "＋") || strings.HasPrefix(v, "－") || strings.HasPrefix(v, "＠")) {
			return "'" + v
		}
		return v
	case *string:
		if v == nil {
			return ""
		}
		return cell(*v)
	case *int64:
		if v == nil {
			return ""
		}
		return strconv.FormatInt(*v, 10)
	case *float64:
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'f', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case *time.Time:
		if v == nil {
			return ""
		}
		return cell(*v)
	}
	return fmt.Sprint(v)
}
