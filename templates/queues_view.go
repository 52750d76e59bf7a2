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

// failed is the heading of the failed work; where there is some, all of it is a list.
func (v LanesView) failed() SectionView {
	s := SectionView{Title: "Failed work", Note: v.FailedOf}
	if len(v.Failed) > 0 {
		s.Href, s.Link = "/admin/lanes/failed", "All of it"
	}
	return s
}
