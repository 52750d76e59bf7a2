package rawjson

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// FuzzReadsAsTheLibraryDoes compares the members and the elements of valid JSON, and
// of what is in it, with those that encoding/json gives.
func FuzzReadsAsTheLibraryDoes(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `[]`, ` [ ] `, `null`, `7`, `"{}"`, `{"a":1,"a":2}`, `{ "a" : [1,"]}",{"b":"\\\""}] , "b" : {"c":null} }`,
		`{"\u0061":"\ud800","":-1.5e3,"t":true}`, "{\"\xff\":\"\xff\"}", `[1, "a,]" ,[2,[3]] , {"b":[]},null,false,-0.5e+7]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		compare(t, raw)
		for _, inner := range Members(raw) {
			compare(t, inner)
		}
		for _, inner := range Elements(raw) {
			compare(t, inner)
		}
	})
}

func compare(t *testing.T, raw json.RawMessage) {
	t.Helper()
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		members = nil
	}
	if got := Members(raw); (got == nil) != (members == nil) || !maps.EqualFunc(got, members, same) {
		t.Fatalf("%q has the members %q, want %q", raw, got, members)
	}
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		elements = nil
	}
	if got := Elements(raw); (got == nil) != (elements == nil) || !slices.EqualFunc(got, elements, same) {
		t.Fatalf("%q has the elements %q, want %q", raw, got, elements)
	}
}

func same(a, b json.RawMessage) bool { return bytes.Equal(a, b) }

func TestNothingHasNeitherMembersNorElements(t *testing.T) {
	t.Parallel()
	for _, raw := range []json.RawMessage{nil, {}, json.RawMessage("  ")} {
		if Members(raw) != nil || Elements(raw) != nil {
			t.Errorf("%q has members or elements", raw)
		}
	}
}
