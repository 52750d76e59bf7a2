package salla

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Token is what a grant or a refresh gives. It does not print, log or marshal.
type Token struct {
	Access    string
	Refresh   string // good for one refresh only
	ExpiresAt time.Time
	Scopes    []string
}

// String says that there is a token, and until when, without showing it.
func (t Token) String() string {
	return "salla.Token(" + redacted + ", until " + t.ExpiresAt.UTC().Format(time.RFC3339) + ")"
}

// Format is String for every verb: %#v and %d would otherwise show the fields.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue is String.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON fails: a token is stored sealed, field by field, or not at all.
func (t Token) MarshalJSON() ([]byte, error) {
	return nil, errors.New("salla: a token is not written as JSON")
}
