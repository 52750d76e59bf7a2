package templates

// AuditView is the list of what operators did.
type AuditView struct {
	Search   SearchBox
	Groups   []Chip
	Scope    []Chip // what else the list is narrowed to; each leads to the list without it
	Form     AuditForm
	Rows     []AuditRow
	Searched Searched // above the rows
	Empty    EmptyView
	Pager    Pager
	CSV      string // where the list is had as a file
	JSON     string
}

// AuditForm narrows the list to who, what and a time.
type AuditForm struct {
	Actors, Acts []Option
	From, To     string            // as a field for a local time holds them
	Error        string            // why the last try was refused
	Hidden       map[string]string // the other filters, which stay
}

// AuditRow is one act of a list.
type AuditRow struct {
	ID, Href   string
	Time       Moment
	Who        string
	Act        string // as it is noted: tenant.suspend
	What       string // in words
	On, OnHref string // what it was done to; "" where that is the store alone
	Store      string // "" where it was done to none
	StoreHref  string
	Address    string
}

// AuditEntryView is one act.
type AuditEntryView struct {
	ID, Title string
	Facts     []Fact
	Changes   []AuditChange // what it changed, by key
	Rest      []Fact        // what else was noted
	Raw       PayloadView
}

// AuditChange is one value before and after an act. What was not there is "".
type AuditChange struct {
	Key           string
	Before, After string
	Changed       bool
}
