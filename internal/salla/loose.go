package salla

import (
	"encoding/json"
	"strconv"
)

// text decodes from a string, a number or true; nothing, and lists and objects,
// give "".
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	*t = ""
	switch {
	case blank(raw), raw[0] == '[', raw[0] == '{':
		return nil
	case raw[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		*t = text(s)
		return nil
	}
	*t = text(raw)
	return nil
}

// integer decodes from a whole number or one in a string; anything else counts as
// not given, since it only ever tells about the answer, not the record.
type integer struct{ n *int64 }

func (i *integer) UnmarshalJSON(raw []byte) error {
	i.n = nil
	var number Number
	if number.UnmarshalJSON(raw) != nil {
		return nil //nolint:nilerr // see the type
	}
	if v, ok := number.Int64(); ok {
		i.n = &v
	}
	return nil
}

func (i integer) value() (int64, bool) {
	if i.n == nil {
		return 0, false
	}
	return *i.n, true
}

// count gives the value as a pointer, nil where there is none or it is negative.
func (i integer) count() *int {
	v, ok := i.value()
	if !ok || v < 0 || v > 1<<31 {
		return nil
	}
	n := int(v)
	return &n
}

// flag decodes from true, 1 and their strings; anything else is false.
type flag bool

func (f *flag) UnmarshalJSON(raw []byte) error {
	var t text
	if err := t.UnmarshalJSON(raw); err != nil {
		return err
	}
	v, err := strconv.ParseBool(string(t))
	*f = flag(err == nil && v)
	return nil
}
