package templates

// SecondFactor is what an operator's account says of the second factor.
type SecondFactor struct {
	On    bool
	Since Moment
	Left  int // recovery codes that were not used yet
}

// NewSecondFactor is the page that switches a second factor on.
type NewSecondFactor struct {
	QR      string // a data: address of the picture
	Secret  string // for who can't take the picture, in groups
	Pending string // the secret sealed, for the form to bring back
	Error   string // why the last code was refused
}

// SignInCode is the page that asks for the code after the password.
type SignInCode struct {
	Error string
	Next  string
}
