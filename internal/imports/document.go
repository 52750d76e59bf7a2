package imports

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/rawjson"
	"github.com/wosool/wosool/internal/salla"
)

// document is one of the source's records, or an object in it. What its methods
// cannot read they give as nothing, which is enough to tell which record it is; what
// fills columns is read by a reader, which tells nothing from what is malformed.
type document map[string]json.RawMessage

// parse reads an object; nil where raw is none.
func parse(raw json.RawMessage) document {
	if !json.Valid(raw) {
		return nil
	}
	return rawjson.Members(raw)
}

// has tells whether the key is there, be it null.
func (d document) has(key string) bool {
	_, ok := d[key]
	return ok
}

// said tells whether the key is there with more than null.
func (d document) said(key string) bool {
	raw, ok := d[key]
	return ok && string(bytes.TrimSpace(raw)) != "null"
}

// object gives a nested object; nil for [], null and whatever else is none.
func (d document) object(key string) document { return rawjson.Members(d[key]) }

// text gives a string, or a number as text; "" for anything else, and for the
// word null, which Salla writes for nothing at times.
func (d document) text(key string) string { return textOf(d[key]) }

func textOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ""
	}
	s := ""
	switch c := raw[0]; {
	case c == '"':
		text, _ := rawjson.Text(raw, 0)
		s = string(text)
	case c == '-', c >= '0' && c <= '9':
		s = string(raw)
	}
	if s = strings.TrimSpace(s); s == "null" {
		return ""
	}
	return s
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// id gives an id of the source, "" where there is none that could be asked for.
func (d document) id(key string) string {
	s := salla.Digits(d.text(key))
	if raw := bytes.TrimSpace(d[key]); len(raw) > 0 && raw[0] != '"' && strings.ContainsAny(s, "eE") {
		return "" // no source numbers its records like that
	}
	if n, err := salla.ParseNumber(s); err == nil && n != "" {
		v, whole := n.Int64()
		if !whole || v <= 0 {
			return ""
		}
		digits, _, _ := strings.Cut(string(n), ".")
		return digits
	}
	if !idForm.MatchString(s) {
		return ""
	}
	return s
}

// time gives an instant; nil where there is none.
func (d document) time(key string) *time.Time {
	t, ok := salla.ParseTime(d[key])
	if !ok {
		return nil
	}
	return &t
}

// yes reads a boolean, a 0 or 1, and both as strings.
func (d document) yes(key string) (value, ok bool) {
	switch strings.ToLower(strings.Trim(string(bytes.TrimSpace(d[key])), `"`)) {
	case "true", "1", "yes":
		return true, true
	case "false", "0", "no":
		return false, true
	}
	return false, false
}
