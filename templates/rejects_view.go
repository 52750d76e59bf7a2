package templates

import "strings"

// RejectsView is the records of a store that could not be stored.
type RejectsView struct {
	Head    TenantHead
	Filters []Chip
	Scope   []Chip // what else the list is narrowed to; each leads to the list without it
	Groups  []RejectGroup
	Grouped string // how many the groups are of
	Rows    []RejectRow
	Listed  string // what the rows are
	Redrive *ActView
	Pager   Pager
	Empty   *EmptyView
	Notice  *Notice
}

// RejectGroup is the rejects that have one reason.
type RejectGroup struct {
	Href, Resource, Field, Reason, Count string
	Newest                               Moment
	Redrive                              ActView
}

// RejectRow is a record that could not be stored.
type RejectRow struct {
	Href, Resource, Key, Field, Reason string
	Kind, Status                       string
	At                                 Moment
	Redrive                            *ActView // nil where it is settled
}

// RejectView is one record that could not be stored, whole.
type RejectView struct {
	Head    TenantHead
	Title   string
	Reason  string
	Facts   []Fact
	Todo    []string // what to do, a sentence each
	Redrive *ActView
	Record  PayloadView
	Mark    string // the key of the record that is at fault; "" where none is known
	Notice  *Notice
	Back    string
}

// marked tells whether a key of the record is the one at fault.
func (v RejectView) marked(t token) bool {
	return t.Key && v.Mark != "" && strings.Trim(t.Text, `"`) == v.Mark
}

// RedriveView asks before rejects are re-driven.
type RedriveView struct {
	Title  string
	What   []string      // what is chosen
	Facts  []string      // what would happen
	Still  []RejectGroup // what would still be refused, without addresses
	Action string
	Label  string
	Hidden map[string]string
	Back   string
	None   bool // nothing is chosen
}
