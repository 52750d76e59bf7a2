package tenantdb

import (
	"strings"
	"testing"
)

func TestPlaceOfABadDocument(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 600) + strings.Repeat("]", 600)
	for doc, want := range map[string]string{
		`{"a":"x\u0000"}`: "a",
		`{"id":1,"items":[{"n":1},{"notes":"\ud800"}]}`:         "items[1].notes",
		`{"a":{"b":"]},{\"","c":["x",["\u0000"]]}}`:             "a.c[1][0]",
		`{"a":{"x":1},"b":{"bad\u0000key":1}}`:                  "b",
		`[{"a":[]},{"b":"\udc00"}]`:                             "[1].b",
		`{"a":[1e400,{"b":1e999999}]}`:                          "a[1].b",
		`{"a":-1E-20000}`:                                       "a",
		`"\u0000"`:                                              "",
		"{\"a\":{\"b\":\"\xff\"}}":                              "a.b",
		`{"id":1,"label":{"a":1},"options":` + deep + `,"z":1}`: "options" + strings.Repeat("[0]", maxPath-1),
	} {
		err := CheckDocument([]byte(doc))
		if err == nil {
			t.Errorf("%.60s is kept", doc)
			continue
		}
		if got := Place(err); got != want {
			t.Errorf("%.60s: got %q, want %q", doc, got, want)
		}
	}
}
