package templates

// OperatorsView is the page of who may sign in. It posts what is added to AddAt.
type OperatorsView struct {
	Tabs  []Tab
	Rows  []OperatorRow
	AddAt string
	Add   OperatorForm
}

// OperatorRow is one operator in the list.
type OperatorRow struct {
	Email    string
	Me       bool // who looks at this page
	Role     string
	RoleAt   string   // where a change of role is posted; empty: it stays as it is
	Roles    []Option // what it can be
	Why      string   // why the role stays, and the operator too
	Since    Moment
	SignedIn Moment   // last time
	Places   string   // 2 places; empty: nowhere
	PlacesAt string   // the list of them
	From     []string // the addresses, the last used first
	Acts     []ActView
}

// OperatorForm is what was typed to add an operator.
type OperatorForm struct {
	Email string
	Roles []Option
	Error string // one sentence; empty the first time
}

// NewPasswordView is the one page that ever shows a password.
type NewPasswordView struct {
	Tabs     []Tab
	Title    string // what was done
	Email    string
	Password string
	Role     string // what a new operator may do; empty: it is not said
	Note     string // what else came of it
	Back     string
}

// SessionsView is the list of where operators are signed in.
type SessionsView struct {
	Tabs   []Tab
	Scope  []Chip // the one operator whose they are; empty: everybody's
	EndAll *ActView
	Rows   []SessionLine
	Pager  Pager
	Empty  EmptyView
}

// SessionLine is one session of anybody.
type SessionLine struct {
	SessionRow

	Email, Href string // whose, and the list of theirs
	Role        string
	End         ActView
}
