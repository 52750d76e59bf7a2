package templates

// LanesView is how the lanes stand, what failed, and what was put back.
type LanesView struct {
	Notices  []Notice // Redis does not answer; a lane is paused
	Lanes    []LaneRow
	Failed   []FailedRow
	FailedOf string // how many there are in all, and what is not grouped
	Healings []HealingRow
}

// LaneRow is one lane. What Redis counts is a dash while it does not answer.
type LaneRow struct {
	Lane, What                           string
	Pending, Active, Postponed, Archived string // Redis
	Due, Held, Failed                    string // PostgreSQL
	Oldest                               string // age of the oldest that waits for a worker
	OldestKind                           string // wait or broken where that is long
	Workers                              string
	Kind, State                          string
	Act                                  *ActView // nil while Redis does not answer
}

// FailedRow is the failed work of one kind that has one reason.
type FailedRow struct {
	Task, What, Reason, Href string
	Count                    string
	Newest                   Moment
}

// HealingRow is something that the sweeper put back.
type HealingRow struct {
	At     Moment
	What   string
	Href   string // what it belongs to
	Reason string
	Count  string
}

// FailedView is the list of one group of failed work.
type FailedView struct {
	What   string // the kind of work, in words
	Task   string
	Reason string // one of the reasons, whole
	Todo   string
	Rows   []FailedItem
	Pager  Pager
}

// FailedItem is one piece of work that was given up.
type FailedItem struct {
	ID, TaskID   string
	Store, Href  string // its tenant
	Merchant     string
	Row, RowHref string // the row itself, where it has a page
	Reason       string
	Attempts     string
	Tried        Moment
	Retry        ActView
}
