package tenant

import (
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wosool/wosool/internal/fault"
)

// MaxName is the longest name of a tenant, in characters: what Clerk takes for
// an organization.
const MaxName = 256

var slugPattern = regexp.MustCompile(`^[a-z0-9-]{3,40}$`)

// Given is what an operator gives to register a tenant by hand.
type Given struct {
	Name       string
	Slug       string
	OwnerEmail string
	Merchant   *int64 // Salla's store id, if it is known already
}

// Check returns what is wrong with it as one fault.Invalid that names every
// field, or nil.
func (g Given) Check() error {
	var wrong []string
	if n := utf8.RuneCountInString(strings.TrimSpace(g.Name)); n == 0 || n > MaxName || !printable(g.Name) {
		wrong = append(wrong, "name must have 1 to 256 characters")
	}
	if !slugPattern.MatchString(g.Slug) {
		wrong = append(wrong, "slug must have 3 to 40 of a-z, 0-9 and -")
	}
	if !validEmail(g.OwnerEmail) {
		wrong = append(wrong, "owner_email must be one e-mail address")
	}
	if g.Merchant != nil && *g.Merchant <= 0 {
		wrong = append(wrong, "merchant must be the number of a Salla store")
	}
	if len(wrong) > 0 {
		return fault.New(fault.Invalid, "%s", strings.Join(wrong, "; "))
	}
	return nil
}

// SlugOf returns the slug of a tenant that a store's webhook makes.
func SlugOf(merchant int64) string { return "store-" + strconv.FormatInt(merchant, 10) }

// NameOf returns the name of a store's tenant until the store has told its own.
func NameOf(merchant int64) string { return "Store " + strconv.FormatInt(merchant, 10) }

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// validEmail tells whether s is one bare address, as mail servers take it.
func validEmail(s string) bool {
	if len(s) > 254 {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

// Email returns the bare address in what a shop's owner typed, or "" where
// there is none that mail could reach.
func Email(typed string) string {
	s := strings.TrimSpace(typed)
	if !validEmail(s) {
		return ""
	}
	return s
}
