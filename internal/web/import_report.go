package web

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// ImportReport is all that is kept of one import.
type ImportReport struct {
	ID         uuid.UUID      `json:"id"`
	TenantID   uuid.UUID      `json:"tenant_id"`
	Store      string         `json:"store"`
	Merchant   *int64         `json:"merchant"`
	Kind       string         `json:"kind"`
	Status     string         `json:"status"`
	Reason     *string        `json:"reason"`
	AskedBy    *string        `json:"asked_by"` // nil: nobody, it came by itself
	Resources  []string       `json:"resources"`
	Since      *time.Time     `json:"since"`
	CreatedAt  time.Time      `json:"created_at"`
	StartedAt  *time.Time     `json:"started_at"`
	FinishedAt *time.Time     `json:"finished_at"`
	Progress   *Progress      `json:"progress"` // nil: it has ended
	Passes     []ImportPass   `json:"passes"`
	Rejects    []ReportReject `json:"rejects"`
	// RejectsNote says what is missing from Rejects and why; nil: nothing.
	RejectsNote *string `json:"rejects_note"`

	slug string
}

// ImportPass is one pass over one resource.
type ImportPass struct {
	Resource         string     `json:"resource"`
	Pass             int        `json:"pass"`
	Status           string     `json:"status"`
	Pages            int        `json:"pages"`
	Records          int64      `json:"records"`
	Imported         int64      `json:"imported"`
	Unchanged        int64      `json:"unchanged"`
	Rejected         int64      `json:"rejected"`
	Deleted          int64      `json:"deleted_at_source"`
	Before           *int64     `json:"source_total_before"`
	After            *int64     `json:"source_total_after"`
	Stored           int64      `json:"stored"`     // by this run up to and with this pass
	Difference       *int64     `json:"difference"` // in the last pass over a whole list: what Salla counts beyond what the run has counted
	Explanation      *string    `json:"explanation"`
	StartedAt        time.Time  `json:"started_at"`
	FinishedAt       *time.Time `json:"finished_at"`
	Seconds          *float64   `json:"seconds"`
	Calls            int64      `json:"calls"` // that the pages took, attempts that failed apart
	RecordsPerSecond *float64   `json:"records_per_second"`
}

// ReportReject is how many records an import rejected for one reason.
type ReportReject struct {
	Resource string `json:"resource"`
	Field    string `json:"field"`  // "" where no column is at fault
	Reason   string `json:"reason"` // that of the newest, where they differ in numbers only
	Records  int    `json:"records"`
}

// Progress is how an open import goes on.
type Progress struct {
	RecordsPerMinute float64          `json:"records_per_minute"`
	SecondsLeft      *int64           `json:"seconds_left"`
	Waiting          *string          `json:"waiting"` // why it does not simply go on, in words
	Words            string           `json:"words"`
	Streams          []StreamProgress `json:"streams"`
}

// StreamProgress is how one resource of an open import goes on.
type StreamProgress struct {
	Resource         string  `json:"resource"`
	Done             int64   `json:"done"`
	Total            *int64  `json:"total"`
	RecordsPerMinute float64 `json:"records_per_minute"`
	SecondsLeft      *int64  `json:"seconds_left"`
	Words            string  `json:"words"`
}

// ReadProgress tells how those of the runs go on that are open. allowed may be nil:
// then only what was measured tells how long they will take.
func ReadProgress(ctx context.Context, db *store.DB, allowed Allowance, runs []store.Run) (map[uuid.UUID]Progress, error) {
	at := func(t time.Time) templates.Moment { return templates.NewMoment(t, time.Now(), time.UTC) }
	states, err := importStates(ctx, db, allowed, runs, at)
	if err != nil {
		return nil, err
	}
	list := make(map[uuid.UUID]Progress, len(runs))
	for _, run := range runs {
		if x := states[run.ID]; x.open() {
			list[run.ID] = x.progress()
		}
	}
	return list, nil
}

// progress says in figures and words what the page of an import shows.
func (x importState) progress() Progress {
	f := x.forecast()
	p := Progress{
		RecordsPerMinute: rounded(f.rate), SecondsLeft: secondsLeft(f), Words: x.line(), Streams: make([]StreamProgress, len(x.run.Streams)),
	}
	if _, words := x.why(); words != "" {
		p.Waiting = &words
	}
	for i, st := range x.run.Streams {
		f := streamForecast(st, x.paces[st.Resource], x.allowed, x.now)
		p.Streams[i] = StreamProgress{
			Resource: st.Resource, Done: st.Imported + st.Unchanged + st.Rejected, Total: st.SourceTotal,
			RecordsPerMinute: rounded(f.rate), SecondsLeft: secondsLeft(f), Words: x.streamLine(st).Note,
		}
	}
	return p
}

func secondsLeft(f forecast) *int64 {
	if !f.known || f.time == 0 && f.calls > 0 {
		return nil
	}
	n := int64(f.time.Round(time.Second) / time.Second)
	return &n
}

func rounded(v float64) float64 { return math.Round(v*10) / 10 }

// readImportReport makes the report of a run. Its rejects are left to the caller, who
// may look into the store's database.
func readImportReport(ctx context.Context, db *store.DB, allowed Allowance, id uuid.UUID) (ImportReport, store.Tenant, error) {
	run, err := db.RunWhole(ctx, id)
	if err != nil {
		return ImportReport{}, store.Tenant{}, err
	}
	t, err := db.Tenant(ctx, run.TenantID)
	if err != nil {
		return ImportReport{}, t, err
	}
	streams, err := db.Streams(ctx, id)
	if err != nil {
		return ImportReport{}, t, err
	}
	acts, err := db.RunActs(ctx, run)
	if err != nil {
		return ImportReport{}, t, err
	}
	going, err := ReadProgress(ctx, db, allowed, []store.Run{run})
	if err != nil {
		return ImportReport{}, t, err
	}
	p := ImportReport{
		ID: run.ID, TenantID: t.ID, Store: t.Name, Merchant: t.Merchant, Kind: run.Kind, Status: run.Status, Reason: run.Reason,
		Resources: list(run.Resources), Since: utc(run.Since), CreatedAt: run.CreatedAt.UTC(), StartedAt: utc(run.StartedAt),
		FinishedAt: utc(run.FinishedAt), Passes: passesOf(run, streams), Rejects: []ReportReject{}, slug: t.Slug,
	}
	if progress, ok := going[run.ID]; ok {
		p.Progress = &progress
	}
	for _, act := range acts {
		if act.Act == "tenant.import" {
			p.AskedBy = &act.Actor
		}
	}
	return p, t, nil
}

// fillRejects adds why records were rejected, from the store's own database. Where
// that can't be asked, the report says so.
func (s *Server) fillRejects(ctx context.Context, p *ImportReport, t store.Tenant) error {
	var rejected int64
	for _, pass := range p.Passes {
		rejected += pass.Rejected
	}
	if rejected == 0 {
		return nil
	}
	note := func(words string) { p.RejectsNote = &words }
	err := s.lookInto(ctx, t, func(ctx context.Context, db *tenantdb.DB) error {
		groups, _, err := db.RejectGroups(ctx, tenantdb.RejectFilter{Run: p.ID})
		if err != nil {
			return err
		}
		told := int64(0)
		for _, g := range groups {
			told += int64(g.Count)
			p.Rejects = append(p.Rejects, ReportReject{Resource: g.Resource, Field: g.Field, Reason: g.Reason, Records: g.Count})
		}
		if told < rejected {
			note(fmt.Sprintf("the reasons of %d further rejects are not among these: they are rare, or the store's database no longer has them", rejected-told))
		}
		return nil
	})
	notice, err := shut(err)
	if notice != nil {
		p.Rejects = []ReportReject{}
		note("the reasons are in the store's database, which could not be asked: " + notice.Text)
	}
	return err
}

// passesOf says how the passes of a run came out, in the order they were opened.
func passesOf(run store.Run, streams []store.Stream) []ImportPass {
	last := map[string]int{}
	for _, st := range streams {
		last[st.Resource] = max(last[st.Resource], st.Pass)
	}
	sorted := slices.Clone(streams)
	slices.SortStableFunc(sorted, func(a, b store.Stream) int { return a.Pass - b.Pass })
	stored, counted, deleted := map[string]int64{}, map[string]int64{}, map[string]int64{}
	passes := make([]ImportPass, 0, len(streams))
	for _, st := range sorted {
		records := st.Imported + st.Unchanged + st.Rejected
		stored[st.Resource] += st.Imported + st.Unchanged
		counted[st.Resource] += records
		if !st.Again { // else only a part of the list was read again
			deleted[st.Resource] = st.Deleted
		}
		p := ImportPass{
			Resource: st.Resource, Pass: st.Pass, Status: st.Status, Pages: st.Pages, Records: records, Imported: st.Imported,
			Unchanged: st.Unchanged, Rejected: st.Rejected, Deleted: st.Deleted, Before: st.TotalBefore, After: st.TotalAfter,
			Stored: stored[st.Resource], Explanation: st.Reason, StartedAt: st.StartedAt.UTC(), FinishedAt: utc(st.FinishedAt),
			Calls: int64(st.Pages),
		}
		if st.Resource == "order_details" {
			p.Calls = records * detailCalls
		} else if st.TotalAfter != nil { // it is asked for by a call of its own
			p.Calls++
		}
		// Details are read only where they are due, and a list that ends where nothing
		// is new is not read whole: there the numbers have nothing to be equal to.
		if st.Pass == last[st.Resource] && st.TotalAfter != nil && !st.UntilKnown && st.Resource != "order_details" {
			n := *st.TotalAfter - counted[st.Resource] - deleted[st.Resource]
			p.Difference = &n
		}
		if end := st.FinishedAt; end != nil {
			seconds := math.Round(end.Sub(st.StartedAt).Seconds()*1000) / 1000
			p.Seconds = &seconds
			if seconds > 0 {
				rate := rounded(float64(records) / seconds)
				p.RecordsPerSecond = &rate
			}
		}
		passes = append(passes, p)
	}
	slices.SortStableFunc(passes, func(a, b ImportPass) int {
		return slices.Index(run.Resources, a.Resource) - slices.Index(run.Resources, b.Resource)
	})
	return passes
}

// passRow is a pass as the page of an import shows it.
func passRow(p ImportPass) templates.PassRow {
	count := func(n *int64) string {
		if n == nil {
			return "–"
		}
		return templates.Count(*n)
	}
	row := templates.PassRow{
		Resource: resourceWords(p.Resource), Kind: importKind(p.Status), Status: p.Status, Pages: templates.Count(p.Pages),
		Imported: templates.Count(p.Imported), Unchanged: templates.Count(p.Unchanged), Rejected: templates.Count(p.Rejected),
		Before: count(p.Before), After: count(p.After), Difference: count(p.Difference), Took: "–", PerMinute: "–",
		Reason: ofItself(p.Resource, text(p.Explanation)),
	}
	if p.Pass > 1 {
		row.Pass = fmt.Sprintf("pass %d", p.Pass)
	}
	if p.Deleted > 0 {
		row.Reason = strings.TrimPrefix(row.Reason+"; "+templates.Plural(p.Deleted, "record of the list is deleted there", "records of the list are deleted there"), "; ")
	}
	if p.Seconds != nil {
		row.Took = templates.Duration(time.Duration(*p.Seconds * float64(time.Second)))
		if *p.Seconds > 0 {
			row.PerMinute = templates.Rate(float64(p.Records) / *p.Seconds * 60)
		}
	}
	return row
}
