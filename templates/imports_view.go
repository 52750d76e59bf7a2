package templates

// ImportsView is the list of imports of all tenants.
type ImportsView struct {
	Note     string
	Statuses []Chip
	Kinds    []Chip
	Scope    []Chip
	Rows     []ImportRow
	Empty    EmptyView
	Pager    Pager
}

// ImportRow is one import.
type ImportRow struct {
	ID           string
	Store, Href  string // its tenant
	Merchant     string
	Import       string // the page about it
	What         string // initial, reconcile, manual
	Of           string // which resources, where it is not all of them
	Kind, Status string
	Reason       string
	Percent      int // of the records; negative: not known
	Imported     string
	Unchanged    string
	Rejected     string
	RejectsHref  string // where the rejects are; "" where there are none
	Source       string // how many the source says it has
	Started      Moment
	Took         string
	Streams      []ProgressView // shown while it is under way, and where it did not come out whole
}
