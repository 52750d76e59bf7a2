package templates

// PasskeysView is what an operator's account says of passkeys.
type PasskeysView struct {
	Rows []PasskeyRow
	Here bool   // they can be made on this page
	Only string // the address where they work; "": nowhere
}

// PasskeyRow is one passkey.
type PasskeyRow struct {
	Name     string
	Made     Moment
	Used     Moment // zero: never
	RemoveAt string
}

// ProofView is the page that asks again for what the sign-in asks for.
type ProofView struct {
	Email string
	Code  bool   // there is a second factor
	Error string // why the last proof was refused
}

// ChangePassword is the page on which an operator changes their own password.
type ChangePassword struct {
	ProofView
	Action string
	Least  int // characters of a password
}

// MakePasskey is the page on which the browser makes a passkey.
type MakePasskey struct {
	Options string // for navigator.credentials.create
	Pending string // what the answer is checked against, sealed
	Name    string
	Error   string // why the last one was refused
}
