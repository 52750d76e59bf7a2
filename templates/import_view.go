package templates

// ImportView is the page about one import.
type ImportView struct {
	Title        string
	Store, Href  string // its tenant
	Merchant     string
	ID           string
	Kind, Status string
	Line         string // for 2 m 10 s · 3,600 records a minute · about 40 minutes left
	Why          *Notice
	Acts         []ActView
	Facts        []Fact
	Streams      []ProgressView
	NoStream     string // why there is none
	Curve        FigureView
	Passes       []PassRow
	Windows      *WindowsView // nil: orders are not read by date
	Rejects      []RejectedRow
	History      []TimelineItem
	CSV, JSON    string // the addresses of the report
	Next         string // where the imports of this store are
}

// PassRow is one pass over a resource.
type PassRow struct {
	Resource, Pass                             string
	Kind, Status                               string
	Pages, Imported, Unchanged, Rejected       string
	Deleted                                    string // that the list itself calls deleted
	Before, After, Difference, Took, PerMinute string
	Reason                                     string
}

// WindowsView is how an import reads orders by the dates they were placed on.
type WindowsView struct {
	Line string
	Rows []WindowRow // those that did not come whole, or not yet
	More string      // that there are others
}

// WindowRow is one stretch of dates.
type WindowRow struct {
	Dates, Kind, Status, Counted, Came, Pages string
}

// RejectedRow is how many records of a resource were rejected.
type RejectedRow struct {
	Resource, Count, Href string
}
