package templates

import "strconv"

// BulkBar is the row of acts over a list whose rows can be ticked.
type BulkBar struct {
	Of     string            // what the rows are: tenants, events, dead
	Hidden map[string]string // the list's filters
	Count  string            // how many the list has; "" where they are not counted
	Acts   []Option          // Value: the act; On: it stops something
}

// all is the label of the box that stands for the whole list.
func (v BulkBar) all() string {
	switch v.Count {
	case "":
		return "all of this list, counted when you choose"
	case "1":
		return "the one of this list"
	}
	return "all " + v.Count + " of this list"
}

// BulksView is the list of bulk acts.
type BulksView struct {
	Rows  []BulkRow
	Empty EmptyView
	Pager Pager
}

// BulkRow is one bulk act in the list.
type BulkRow struct {
	Href, Title  string
	Filter       string // what was chosen
	Kind, Status string
	Far          string // how far it is: 40 / 1,234
	Reason, By   string
	Created      Moment
}

// BulkView is one bulk act.
type BulkView struct {
	Title, Filter string
	Draft         *BulkDraft // before it is started
	State         *BulkState // afterwards
	Items         BulkItemsView
	CSV           string // the items as a file
	Lists         string // the list that it was chosen from
}

// BulkDraft is a bulk act that was chosen and not started: what it would do.
type BulkDraft struct {
	Total     string
	Beyond    string // that the list had more
	Would     []BulkWould
	Facts     []string // what follows, one sentence each
	Undo      string   // whether it can be undone, and why not
	None      bool     // nothing would change
	Action    string   // starts it
	Drop      string   // forgets it
	Start     string   // the words of the button
	Danger    bool
	Scope     *ImportScope // of an import
	Why       string
	Word      string // what has to be typed; "": nothing
	Typed     string
	WhyError  string
	WordError string
}

// BulkWould is what a dry run says of some of the items.
type BulkWould struct {
	Kind   string // well, off
	Text   string
	Note   string // of those: what is to be known of them
	Sample []BulkLink
	More   string // and 12 more
}

// BulkLink leads to one item.
type BulkLink struct{ Label, Href string }

// BulkState is how a bulk act that was started stands.
type BulkState struct {
	Kind, Status string
	Trouble      string // what went wrong with the act itself
	Progress     ProgressView
	Facts        []Fact
	Reasons      []BulkReasonRow
	Acts         []ActView
	UndoNote     string // whether it can be undone, and why not
	UndoHref     string // where it is being undone
}

// BulkReasonRow is why some items were not changed.
type BulkReasonRow struct {
	Kind, State, Text string
	Count, Href       string
}

// BulkItemsView are the items of a bulk act.
type BulkItemsView struct {
	Chips  []Chip
	Stores bool // the rows are no stores themselves: whose they are is said
	Rows   []BulkItemRow
	Empty  EmptyView
	Pager  Pager
}

// BulkItemRow is one item.
type BulkItemRow struct {
	N            int
	Label, Href  string
	Store, To    string // whose it is, where it is no store itself
	Kind, Status string
	Why          string
	At           Moment
}

func (r BulkItemRow) id() string { return "item-" + strconv.Itoa(r.N) }
