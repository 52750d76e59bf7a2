package templates

// TenantHead is what every page about a store begins with.
type TenantHead struct {
	Name, Domain, Merchant, ID string
	Kind, Status               string
	Since                      Moment  // the status's own time: ready since
	SinceWords                 string  // ready since, installed
	Line                       string  // ready in 0.8 s · 13,412 records · plan pro
	Why                        *Notice // why it is not as it should be, in one sentence, with what to do
	More                       []Notice
	Acts                       []ActView
	Tabs                       []Tab
}

// TenantView is the page about one store.
type TenantView struct {
	Head     TenantHead
	Steps    []StepView
	Runs     []RunView
	NoRun    string // why there is no import
	Filters  []Chip // of the timeline
	Timeline []TimelineItem
	Quiet    *EmptyView // nothing in the timeline
	Pager    Pager
}

// RunView is one import of a store.
type RunView struct {
	Title        string // initial import
	Href         string
	Kind, Status string
	Line         string // running 2 m 10 s · about 40 minutes left
	Why          *Notice
	Acts         []ActView
	Streams      []ProgressView
	Open         bool
}

// TenantEventsView is a store's events.
type TenantEventsView struct {
	Head  TenantHead
	Rows  []TenantEventRow
	Pager Pager
	Empty *EmptyView
}

// TenantEventRow is one event of a store.
type TenantEventRow struct {
	Href, Event, Source string
	Kind, Status        string
	Note                string
	Received            Moment
	Took                string
}

// TenantFactsView is a page of facts about a store.
type TenantFactsView struct {
	Head   TenantHead
	Notice *Notice
	Title  string
	Facts  []Fact
	More   []FactsSection
	Tables []TableRow // of the database
	Note   string
}

// FactsSection is a section of facts under a heading of its own.
type FactsSection struct {
	Title, Note string
	Facts       []Fact
	Names       string // a list of names below them
}

// TableRow is a table of a store's database.
type TableRow struct{ Name, Rows, Size string }

// ImportFormView asks what to import.
type ImportFormView struct {
	Head   TenantHead
	Action string
	Scope  ImportScope
	Note   string
	Back   string
}

// ImportScope is what an import reads.
type ImportScope struct {
	Resources []Choice
	Since     string // a day, as 2026-01-31
	Error     string // what is wrong with it
}

// Choice is a box to tick.
type Choice struct {
	Name, Label string
	On          bool
}

// NotesView is what operators wrote down about a store.
type NotesView struct {
	Head         TenantHead
	Action       string
	Most         int    // characters of a note
	Given, Error string // what was written, and why it was refused
	Rows         []NoteView
	Pager        Pager
	Empty        *EmptyView
}

// NoteView is one note.
type NoteView struct {
	Body, Author string
	Written      Moment
	Removed      *Moment // it was taken back: its text is not shown
	RemovedBy    string
	Remove       *ActView // nil: it is somebody else's, or removed
}
