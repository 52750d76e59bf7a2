package blueprint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
)

var (
	camelCase  = regexp.MustCompile(`^[a-z][a-zA-Z0-9]{0,62}$`)
	optionName = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// check returns every mistake in b, joined.
func (b *Blueprint) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if b.Version != ModelVersion {
		bad("version is %d, this build writes version %d", b.Version, ModelVersion)
	}
	known := map[string]bool{}
	for _, s := range standards() {
		known[s.object] = true
	}
	names := map[string]bool{}
	for _, o := range b.Objects {
		switch {
		case !camelCase.MatchString(o.NameSingular), !camelCase.MatchString(o.NamePlural):
			bad("object %q, plural %q: names are camel case", o.NameSingular, o.NamePlural)
		case known[o.NameSingular], names[o.NamePlural]:
			bad("object %q is there twice", o.NameSingular)
		case o.LabelSingular == "", o.LabelPlural == "":
			bad("object %q has no labels", o.NameSingular)
		}
		known[o.NameSingular], names[o.NamePlural] = true, true
		errs = append(errs, checkFields(o.NameSingular, o.Fields)...)
	}
	extended := map[string]bool{}
	for _, e := range b.Extensions {
		i := slices.IndexFunc(standards(), func(s standard) bool { return s.object == e.Object })
		switch {
		case i < 0:
			bad("extension of %q, which is no standard object", e.Object)
			continue
		case extended[e.Object]:
			bad("%q is extended twice", e.Object)
		}
		extended[e.Object] = true
		errs = append(errs, checkFields(e.Object, append(slices.Clone(standards()[i].fields), e.Fields...))...)
	}
	related := map[string]bool{}
	for _, r := range b.Relations {
		switch {
		case !known[r.Object], !known[r.Target]:
			bad("relation %s.%s to %q: no such object", r.Object, r.Name, r.Target)
		case r.Type != "MANY_TO_ONE":
			bad("relation %s.%s: type %q is not known", r.Object, r.Name, r.Type)
		case !camelCase.MatchString(r.Name):
			bad("relation %s.%s: names are camel case", r.Object, r.Name)
		case related[r.Object+"."+r.Name]:
			bad("relation %s.%s is there twice", r.Object, r.Name)
		}
		related[r.Object+"."+r.Name] = true
	}
	return errors.Join(errs...)
}

func checkFields(object string, fields []Field) []error {
	var errs []error
	seen := map[string]bool{}
	for _, f := range fields {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("field %s.%s: %w", object, f.Name, fmt.Errorf(format, args...)))
		}
		if !camelCase.MatchString(f.Name) {
			bad("names are camel case")
		}
		if seen[f.Name] {
			bad("is there twice")
		}
		seen[f.Name] = true
		if f.Label == "" {
			bad("has no label")
		}
		if !slices.Contains([]Type{Text, Number, Boolean, DateTime, RawJSON, Select}, f.Type) {
			bad("type %q is not known", f.Type)
			continue
		}
		if (f.Type == Select) != (len(f.Options) > 0) {
			bad("options belong to a SELECT, which has at least one")
		}
		for _, o := range f.Options {
			if !optionName.MatchString(o) {
				bad("option %q is not upper case", o)
			}
		}
		v, err := f.DefaultValue()
		if err != nil {
			bad("%w", err)
		}
		if s, ok := v.(string); ok && f.Type == Select && !slices.Contains(f.Options, s) {
			bad("default %q is no option", s)
		}
	}
	return errs
}

// decode reads one JSON value, numbers exactly.
func decode(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("default is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("default is more than one JSON value")
	}
	return v, nil
}
