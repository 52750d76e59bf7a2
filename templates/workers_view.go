package templates

// WorkersView is the worker processes.
type WorkersView struct {
	Note string
	Rows []WorkerRow
}

// WorkerRow is one process.
type WorkerRow struct {
	ID          string
	Name        string // host and process id
	Kind, State string
	Seen        Moment // shown where it is lost or stopped
	Version     string
	Since       Moment
	Memory      string
	Slots       string // 3 of 20
	Lanes       string
	Busy        []WorkerTask
	More        string // how many more it does than are listed
}

// WorkerTask is what a process does now.
type WorkerTask struct {
	What, Href string // the task, and its row's page
	Store      string
	StoreHref  string
	Since      Moment
}
