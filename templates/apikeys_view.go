package templates

import "strconv"

// KeysView is the page of the operator API's keys.
type KeysView struct {
	Tabs         []Tab // of the settings
	Keys         []KeyRow
	Form         NewKeyForm
	Choices      []int    // days until a key expires; 0: never
	Made         *MadeKey // the key that was made just now; nil: none
	FromSettings bool     // the setting ADMIN_API_KEY opens the API, too
}

// KeyRow is one key.
type KeyRow struct {
	ID      string
	Name    string
	Prefix  string // how its token begins
	Scopes  string // read; read and act
	By      string // who made it
	Made    Moment
	Expires Moment // zero: never
	Expired bool
	Used    Moment // zero: never
	Address string // from where it was used last
}

// NewKeyForm is the form that makes a key.
type NewKeyForm struct {
	Name  string
	Scope string // read, act
	Days  int    // 0: never
	Error string // why the last try was refused
}

// MadeKey is a key with its token, which is shown this once.
type MadeKey struct{ Name, Token string }

func daysWord(days int) string {
	if days == 0 {
		return "Never"
	}
	return "In " + strconv.Itoa(days) + " days"
}
