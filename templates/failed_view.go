package templates

// FailedView is a list of work that was given up.
type FailedView struct {
	Title    string
	Note     string // beside the title
	Reason   string // of a group: one of the reasons, whole
	Todo     string
	Form     FailedForm
	Scope    []Chip // what else the list is narrowed to; each leads to the list without it
	Rows     []FailedItem
	Searched Searched // above the rows
	RetryAt  string   // the page that asks before all of the list is retried; "" where there is nothing to retry
	Hidden   map[string]string
	Count    string // how many RetryAt is about; "" where they are not counted
	Empty    EmptyView
	Pager    Pager
	Bulk     *BulkBar // nil: there is nothing to tick
}

// RetryLabel is what the button says that begins to retry all of the list.
func (v FailedView) RetryLabel() string {
	switch v.Count {
	case "":
		return "Retry all of these"
	case "1":
		return "Retry this one"
	}
	return "Retry these " + v.Count
}

// FailedForm narrows the list.
type FailedForm struct {
	Tasks, Lanes  []Option
	Merchant      string
	Reason        string
	Grouped       bool   // the list has one reason already: there is no field for it
	After, Before string // as a field for a local time holds them
	Hidden        map[string]string
}

// Option is one value of a field to choose from.
type Option struct {
	Value, Label string
	On           bool
}

// FailedItem is one piece of work that was given up.
type FailedItem struct {
	ID, TaskID   string
	What, Task   string
	Store, Href  string // its tenant
	Merchant     string
	Row, RowHref string // the row itself, where it has a page
	Reason       string
	Attempts     string
	Failed       Moment
	Retry        ActView
}

// RetryFailedView asks before many pieces of failed work are retried.
type RetryFailedView struct {
	Count  string // how many
	None   bool   // there are none
	What   []string
	Sample []FailedItem
	Of     string // what the sample is of
	Action string
	Hidden map[string]string
	Why    string
	Error  string
	Back   string
}
