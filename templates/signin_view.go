package templates

// SignIn is the page where operators sign in.
type SignIn struct {
	Email string // as it was typed; "" the first time
	Error string // one sentence for the reader; "" the first time
	Next  string // where to go afterwards: a local path

	Passkey bool // offer to sign in by one
}

// Account is an operator's own page: from where they are signed in.
type Account struct {
	Email        string
	Sessions     []SessionRow
	SecondFactor SecondFactor
	Passkeys     PasskeysView
}

// SessionRow is one place where an operator is signed in.
type SessionRow struct {
	ID      string
	Address string // where the session was begun or last used
	Browser string // as people call it; empty where it did not say
	Agent   string // the browser, in its own words
	Since   Moment // signed in
	Seen    Moment // last request, to a minute
	Current bool   // the session that looks at this page
}
