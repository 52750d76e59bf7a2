package tenantdb

import (
	"encoding/json"
	"testing"
)

func TestCheckDocument(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, doc string
		ok        bool
	}{
		{"object", `{"a":[1,"b",null]}`, true},
		{"Arabic", `{"name":"تي شيرت"}`, true},
		{"emoji in escapes", `{"a":"\ud83d\ude00\ud83d\ude00"}`, true},
		{"emoji as it is", `{"a":"😀"}`, true},
		{"escaped backslash before u0000", `{"a":"\\u0000"}`, true},
		{"brackets in a string", `{"a":"[[[["}`, true},
		{"empty", ``, false},
		{"cut", `{"a":`, false},
		{"NUL", `{"a":"x\u0000"}`, false},
		{"NUL after an escape", `{"a":"\n\\\u0000"}`, false},
		{"NUL in a key", `{"\u0000":1}`, false},
		{"high half alone", `{"a":"\ud83d"}`, false},
		{"high half before another escape", `{"a":"\ud83d\n"}`, false},
		{"high half before a character", `{"a":"\ud83d\u0041"}`, false},
		{"low half alone", `{"a":"\ude00"}`, false},
		{"two high halves", `{"a":"\ud83d\ud83d\ude00"}`, false},
		{"not UTF-8", "{\"a\":\"\xff\"}", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := CheckDocument(json.RawMessage(tt.doc)); (err == nil) != tt.ok {
				t.Errorf("got %v, want ok %t", err, tt.ok)
			}
		})
	}
}

func FuzzCheckDocument(f *testing.F) {
	f.Add([]byte(`{"a":"\ud83d\ude00\u0041"}`))
	f.Add([]byte(`["\\\"",{}]`))
	f.Fuzz(func(_ *testing.T, doc []byte) {
		_ = CheckDocument(doc) // whatever comes, it does not panic
	})
}
