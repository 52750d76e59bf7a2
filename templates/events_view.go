package templates

// EventsView is the list of events.
type EventsView struct {
	Note     string // beside the title
	Search   SearchBox
	Statuses []Chip
	Sources  []Chip
	Scope    []Chip // what else the list is narrowed to; each leads to the list without it
	Form     EventForm
	Rows     []EventRow
	Searched Searched // above the rows
	Empty    EmptyView
	Pager    Pager
	Bulk     *BulkBar // nil: no row can be ticked
}

// EventForm narrows the list to a name, a time and what the payload has in it.
type EventForm struct {
	Names    []Option
	From, To string // as a field for a local time holds them
	Text     string
	Error    string            // why the last try was refused
	Hidden   map[string]string // the other filters, which stay
}

// EventRow is one event of a list.
type EventRow struct {
	ID, Href     string
	Time         Moment
	Event        string
	Source       string
	Store        string // the tenant's name; "" where there is none
	StoreHref    string
	Merchant     string // the merchant's number; "" where the event names none
	Kind, Status string
	Reason       string // what it waits for, or what went wrong
	Attempts     string
}

// EventView is one event.
type EventView struct {
	ID, Event string
	Note      string
	State     EventState
	Facts     []Fact
	Headers   []Fact
	Payload   *PayloadView // nil once its retention is over
	Gone      string       // what stands instead of the payload
}

// EventState is what changes on the page of one event.
type EventState struct {
	Kind, Status string
	Trouble      string // what it waits for or what went wrong, in words
	Todo         string // what ends it, or what to do
	Link, Href   string // where that is done
	Facts        []Fact
	Replay       ActView
	ReplayText   string // what replaying will do
	Timeline     []TimelineItem
	Tries        []TryView // newest first
}

// TryView is one attempt at an event.
type TryView struct {
	Attempt       string
	Kind, Outcome string
	At            Moment // when it ended
	Error, Worker string
}
