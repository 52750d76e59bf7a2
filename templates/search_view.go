package templates

// FoundView is what a search found, grouped.
type FoundView struct {
	Query  string
	Groups []FoundGroup
}

// FoundGroup is what was found of one kind.
type FoundGroup struct {
	Title string
	Rows  []FoundRow
	More  string // the address of the whole list; "" where this is all
}

// FoundRow is one thing that was found.
type FoundRow struct {
	Title, Href  string
	Note         string
	Kind, Status string
}
