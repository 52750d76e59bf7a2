package web

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/tasks"
)

// What nobody is shown of a task that is not ours, or of an error's text.
var (
	tokenRun = regexp.MustCompile(`[A-Za-z0-9._~+/=-]{20,}`)
	mailRun  = regexp.MustCompile(`[^\s@<>"',;:]+@[^\s@<>"',;]+\.[^\s@<>"',;]+`)
	phoneRun = regexp.MustCompile(`(\+|\b00)\d([ ().-]?\d){7,14}\b|\b(966|0)5([ ().-]?\d){8}\b`)
)

const redactedText = "[redacted]"

// showPayload is what Asynqmon shows of a task's payload or result. Ours are
// ids, shown as they are; anything else is redacted.
func showPayload(_ string, raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	var row tasks.Row
	own := json.NewDecoder(bytes.NewReader(raw))
	own.DisallowUnknownFields()
	if own.Decode(&row) == nil && row.ID != uuid.Nil && !own.More() {
		return string(raw)
	}
	if !utf8.Valid(raw) || strings.ContainsFunc(string(raw), func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) {
		return "bytes that are not text"
	}
	return redact(string(raw))
}

// redact hides what looks like a token, an e-mail address or a phone number.
// Our own ids stay: UUIDs, and the names of tasks that hold them.
func redact(text string) string {
	text = mailRun.ReplaceAllString(text, redactedText)
	text = tokenRun.ReplaceAllStringFunc(text, func(run string) string {
		if uuid.Validate(run) == nil {
			return run
		}
		return redactedText
	})
	return redactPhones(text)
}

// redactPhones hides long numbers that are no part of a UUID.
func redactPhones(text string) string {
	var b strings.Builder
	for {
		at := uuidRun.FindStringIndex(text)
		if at == nil {
			b.WriteString(phoneRun.ReplaceAllString(text, redactedText))
			return b.String()
		}
		b.WriteString(phoneRun.ReplaceAllString(text[:at[0]], redactedText))
		b.WriteString(text[at[0]:at[1]])
		text = text[at[1]:]
	}
}

var uuidRun = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// redactFailures redacts the texts of errors in one of Asynqmon's answers, which
// its formatters are not asked about.
func redactFailures(answer []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	var doc any
	if d.Decode(&doc) != nil || !hideFailures(doc) {
		return answer
	}
	clean, err := json.Marshal(doc)
	if err != nil {
		return []byte("null") // what was decoded encodes
	}
	return clean
}

// hideFailures walks a document and tells whether it changed it.
func hideFailures(v any) (changed bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			changed = hideFailures(item) || changed
		}
	case map[string]any:
		for name, value := range v {
			text, ok := value.(string)
			if !ok {
				changed = hideFailures(value) || changed
				continue
			}
			if name != "error_message" && name != "last_error" {
				continue
			}
			if clean := redact(text); clean != text {
				v[name], changed = clean, true
			}
		}
	}
	return changed
}
