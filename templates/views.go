package templates

import (
	"maps"
	"slices"
	"strings"

	"github.com/a-h/templ"
)

// The kinds of state. Each has a colour and a shape, and stands beside a word.
const (
	Well   = "well"   // done, ready, in order
	Wait   = "wait"   // waits, or needs a look
	Broken = "broken" // failed, or needs somebody
	Off    = "off"    // not in use, not yet, left out
	Run    = "run"    // at work now
)

// kindOf gives kind, or Off for what is no kind.
func kindOf(kind string) string {
	switch kind {
	case Well, Wait, Broken, Run:
		return kind
	}
	return Off
}

// Frame is what every page has around its content.
type Frame struct {
	Title   string   // of the document; what the page is about
	Section string   // the entry of the navigation it belongs to: overview, tenants, events, imports, queues, workers, audit, settings
	Path    string   // the page's own address with its query, to come back to
	Me      string   // who is signed in; empty: nobody, and there is no navigation
	Theme   string   // light, dark or system
	Lang    string   // en or ar; empty: en
	Strip   []Notice // what is not well, on every page
	Flash   []Notice // what the last act did, once
	Live    string   // the address of the page's event stream; empty: the page does not refresh itself
	Now     string   // when the page was made, RFC 3339: its times count on from there
	Query   string   // what the search field holds
	Assets  Assets
}

// Assets are the addresses of the style sheet, the script and what else a page loads.
type Assets struct {
	Style, Script, Icon string
	Passkeys            string   // a further script of pages with passkeys
	Fonts               []string // loaded ahead
}

// Notice is one sentence with, where it helps, somewhere to go.
type Notice struct {
	Kind string // well, wait, broken, off, run
	Text string
	Href string
	Link string // the words of the link; empty: "see"
}

// HeadView is the head of a page.
type HeadView struct {
	Title string
	Note  string // beside the title, quieter
	Name  bool   // the title is somebody's name, which is the same in every language
}

// SectionView is a headed part of a page.
type SectionView struct {
	Title, Note string
	Href, Link  string // a link at the end of the heading
}

// Chip is one filter of a list.
type Chip struct {
	Label, Count, Href string
	Kind               string // well, wait, broken, off, run; empty: no dot
	On                 bool
}

// Tab is one of the pages about the same thing.
type Tab struct {
	Label, Href, Count string
	On                 bool
}

// SearchBox is a search field over a list; it works by GET.
type SearchBox struct {
	Action, Query, Placeholder string
	Name                       string            // of the field; empty: q
	Hidden                     map[string]string // further parameters that stay
}

func (s SearchBox) field() string {
	if s.Name == "" {
		return "q"
	}
	return s.Name
}

// Searched says how far a search has looked that stopped before its page was full.
type Searched struct {
	Note string // empty: it has looked at everything
	On   string // where it goes on; empty: it does not by itself
}

// Pager leads to the pages of a list beside this one. An empty address is an end.
type Pager struct {
	Newer, Older string
	Note         string // between them: what is shown
}

// StepView is one step of provisioning.
type StepView struct {
	Name   string
	Status string // the word: done, running, waiting, failed, skipped, not yet
	Kind   string // well, wait, broken, off, run
	Took   string // 120 ms; empty where it has not run
	Note   string // attempt 2, waits since …
	Error  string // what happened, in words
	Todo   string // what to do about it
	Act    *ActView
}

// ProgressView is one line of work with an end.
type ProgressView struct {
	Label       string
	Done, Total string // 4,210 and 10,000; Total may be empty: not known
	Percent     int    // 0 to 100; negative: not known
	Kind        string // well, wait, broken, off, run
	Note        string
	Href, Link  string // at the end: 3 rejected
}

func (p ProgressView) known() bool { return p.Percent >= 0 && p.Percent <= 100 }

// TimelineItem is one thing that happened.
type TimelineItem struct {
	Time   Moment
	Kind   string // the word for what it is: event, task, step, grant, person
	Status string // well, wait, broken, off, run; empty: no dot
	Title  string
	Detail string
	Href   string
	Link   string // the words of the link at the end; empty: the title is the link
}

// PayloadView is a document to read and copy.
type PayloadView struct {
	Title string
	Text  string
	JSON  bool   // it is indented and its keys stand out
	Note  string // credentials are left out
}

// EmptyView is a list without rows: why, and what to do first.
type EmptyView struct {
	Title, Text, Command string
	Href, Link           string
}

// ActView is a button that does something. It posts a form to Action.
//
// With Confirm it leads to GET Action first, which answers a page with Confirm
// in it (see ConfirmView); ConfirmWord is then what has to be typed there.
type ActView struct {
	Action, Label string
	Of            string // what it is done to, for who can't see beside what it stands: imports
	Confirm       string
	ConfirmWord   string
	Danger        bool
	Primary       bool
	Why           string // why it can't be done now: the button is off, and this stands beside it
	Own           bool   // it is about who looks: viewers may, too
	Hidden        map[string]string
}

// named gives the button its own name where its label is that of others too.
func (v ActView) named() templ.Attributes {
	if v.Of == "" {
		return nil
	}
	return templ.Attributes{"aria-label": v.Label + " " + v.Of}
}

// whyID names the sentence that says why the button is off.
func (v ActView) whyID() string {
	return "why" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(v.Action))
}

// ConfirmView is the page before an act that can't be undone, or that stops something.
type ConfirmView struct {
	Title string
	Text  string   // what will happen
	Facts []string // one sentence each: what stays, what goes
	Word  string   // what has to be typed; empty: nothing
	Error string   // why the last try was refused
	Act   ActView  // Confirm of it is not looked at
	Back  string
}

// FigureView is one number to watch.
type FigureView struct {
	Label, Value, Note string
	Kind               string    // colours the value where it is not well: wait, broken
	Points             []float64 // oldest first; fewer than two: no line
	Span               string    // what the line covers: last hour
	Href               string
}

// Fact is a label and its value.
type Fact struct {
	Label, Value string
	Note         string
	Href         string
	Kind         string  // well, wait, broken, off, run: a dot before the value
	Time         *Moment // instead of the value, or behind it and its note
	Mono         bool
	Name         bool // the value is somebody's name, which is the same in every language
	Copy         bool // with a button that copies the value
}

// Moment is a time as people read it. See NewMoment.
type Moment struct {
	Rel   string // 3 min ago
	Exact string // 14 Nov 2025, 14:02:11 GMT+3
	Clock string // 14:02:11, with the day where it was not today
	ISO   string // 2025-11-14T11:02:11Z
}

// ErrorView is a request that failed.
type ErrorView struct {
	Status  string // 404
	Title   string
	Text    string // what happened
	Todo    string // what to do
	Request string // the id that finds it in the log
	Retry   bool   // the same request may work later
}

// mistaken marks a field of a form that was refused with the sentence that says why,
// which has the id.
func mistaken(why, id string) templ.Attributes {
	if why == "" {
		return nil
	}
	return templ.Attributes{"aria-invalid": "true", "aria-describedby": id}
}

// words marks an element as the console's own words, which are translated also where
// they stand isolated; what is not so marked is a name, or was said by others.
func words(own bool) templ.Attributes {
	if !own {
		return nil
	}
	return templ.Attributes{"translate": "yes"}
}

// names gives the keys of hidden fields in an order that does not change.
func names(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
