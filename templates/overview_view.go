package templates

// OverviewView is the console's first page.
type OverviewView struct {
	Health  []Fact   // each part of the whole: its state, and how fast it answers
	Needs   []Notice // what needs the operator; empty: nothing does
	Spans   []Chip
	Figures []FigureView
	Note    string // what the figures leave out
	Newest  []InstallRow
	Empty   *EmptyView // there is no store yet
}

// InstallRow is a store on its way, or just arrived.
type InstallRow struct {
	Href, Name, Merchant string
	Steps                []StepView
	Kind, Status         string
	Note                 string // ready in 0.8 s; what it waits for
	Since                Moment
}
