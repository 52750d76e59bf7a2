package events

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wosool/wosool/internal/salla"
)

// unreadable is the name of an event that does not say its own.
const unreadable = "unreadable"

// maxName is the longest name of an event that is kept whole.
const maxName = 100

// envelope is what a source wraps every event in.
type envelope struct {
	Name      string
	Merchant  *int64
	CreatedAt *time.Time
	Data      json.RawMessage
	Failed    string // why the event can never be applied; empty: it can
}

// parse reads the envelope as far as it can be read.
func parse(source string, body []byte) envelope {
	doc, ok := scan(body)
	return envelopeOf(source, doc, ok)
}

// envelopeOf reads the envelope of what scan found, as far as it can be read.
func envelopeOf(source string, doc document, isJSON bool) envelope {
	switch {
	case !isJSON:
		return envelope{Name: unreadable, Failed: "the body is not JSON"}
	case !doc.Object:
		return envelope{Name: unreadable, Failed: "the body is not a JSON object"}
	}
	env := envelope{Data: doc.Fields.Data}
	if source == SourceClerk {
		env.Name = name(doc.Fields.Type)
	} else {
		env.Name = name(doc.Fields.Event)
		env.Merchant = merchant(doc.Fields.Merchant)
		if at, ok := salla.ParseTime(doc.Fields.CreatedAt); ok {
			env.CreatedAt = &at
		}
		if env.Merchant == nil {
			env.Failed = "it names no merchant"
		}
	}
	if env.Name == "" {
		env.Name, env.Failed = unreadable, "it does not say which event it is"
	}
	return env
}

func name(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return clean(strings.TrimSpace(s), maxName)
}

// merchant reads a store's id, a number or a string.
func merchant(raw json.RawMessage) *int64 {
	var n salla.Number
	if len(raw) == 0 || n.UnmarshalJSON(raw) != nil {
		return nil
	}
	id, ok := n.Int64()
	if !ok || id <= 0 {
		return nil
	}
	return &id
}

// clean makes text of others fit for a column: valid, without NUL, and of at most
// limit bytes.
func clean(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) > limit {
		s = s[:limit]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}
