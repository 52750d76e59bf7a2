package templates

// ProofView is the page that asks again for what the sign-in asks for.
type ProofView struct {
	Email string
	Code  bool   // there is a second factor
	Error string // why the last proof was refused
}

// ChangePassword is the page on which an operator changes their own password.
type ChangePassword struct {
	ProofView
	Least int // characters of a password
}
