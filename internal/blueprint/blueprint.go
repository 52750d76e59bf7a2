// Package blueprint holds the CRM's data model as data: the objects of our own,
// the fields that the CRM's standard objects gain, and the relations between
// them. It says which tables and columns a tenant database must have (Tables)
// and keeps labels, icons and names for a CRM that takes metadata. It does no
// I/O and writes no SQL statements.
package blueprint

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// ModelVersion is the version of the data model that this build writes. It is
// the number of the newest tenant migration.
const ModelVersion = 1

//go:embed blueprint.json
var source []byte

// Type is the kind of value that a field holds.
type Type string

// The field types of the model.
const (
	Text     Type = "TEXT"
	Number   Type = "NUMBER"
	Boolean  Type = "BOOLEAN"
	DateTime Type = "DATE_TIME"
	RawJSON  Type = "RAW_JSON"
	Select   Type = "SELECT"
)

// Field is one value of an object.
type Field struct {
	Name     string   `json:"name"` // camel case
	Type     Type     `json:"type"`
	Label    string   `json:"label"`
	Required bool     `json:"isRequired"`
	Unique   bool     `json:"isUnique"`
	Options  []string `json:"options"` // of a Select
	// Default is the value as the file gives it; DefaultValue parses it.
	Default json.RawMessage `json:"defaultValue"`
}

// Object is an object of our own.
type Object struct {
	NameSingular  string  `json:"nameSingular"`
	NamePlural    string  `json:"namePlural"`
	LabelSingular string  `json:"labelSingular"`
	LabelPlural   string  `json:"labelPlural"`
	Description   string  `json:"description"`
	Icon          string  `json:"icon"`
	Fields        []Field `json:"fields"`
}

// Extension adds fields to one of the CRM's standard objects.
type Extension struct {
	Object string  `json:"object"`
	Fields []Field `json:"fields"`
}

// Relation lets each record of Object point at one of Target.
type Relation struct {
	Object string `json:"object"`
	Name   string `json:"name"`
	Target string `json:"target"`
	Type   string `json:"type"` // MANY_TO_ONE
}

// Blueprint is the whole model.
type Blueprint struct {
	Version    int         `json:"version"`
	Objects    []Object    `json:"objects"`
	Extensions []Extension `json:"extensions"`
	Relations  []Relation  `json:"relations"`
}

// Load returns the model of this build, or an error that names every mistake
// in it.
func Load() (*Blueprint, error) { return parse(source) }

func parse(data []byte) (*Blueprint, error) {
	var b Blueprint
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("read blueprint: %w", err)
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("check blueprint: %w", err)
	}
	return &b, nil
}

// DefaultValue returns the field's default: a string, json.Number, bool, or for
// RawJSON the parsed JSON; nil if it has none. A RawJSON default that is itself
// JSON inside a string is parsed.
func (f Field) DefaultValue() (any, error) {
	if len(f.Default) == 0 {
		return nil, nil
	}
	v, err := decode(f.Default)
	if err != nil {
		return nil, err
	}
	ok := false
	switch f.Type {
	case Text, Select, DateTime:
		_, ok = v.(string)
	case Number:
		_, ok = v.(json.Number)
	case Boolean:
		_, ok = v.(bool)
	case RawJSON:
		if s, isString := v.(string); isString {
			return decode([]byte(s))
		}
		ok = true
	}
	if !ok {
		return nil, fmt.Errorf("default %s is not of type %s", f.Default, f.Type)
	}
	return v, nil
}

// TwentyName returns the name that a field has in Twenty, which reserves some
// names for itself.
func TwentyName(object, field string) string {
	if object == "sallaOrder" && field == "currency" {
		return "currencyCode"
	}
	return field
}
