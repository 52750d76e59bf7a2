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

// MakePasskey is the page on which the browser makes a passkey.
type MakePasskey struct {
	Options string // for navigator.credentials.create
	Pending string // what the answer is checked against, sealed
	Name    string
	Error   string // why the last one was refused
}
