package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRedactJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in, want string
		found          bool
	}{
		{"nothing", `{"a": [1, {"b":null}]}`, `{"a":[1,{"b":null}]}`, false},
		{"top", `{"access_token":"abc"}`, `{"access_token":"[redacted]"}`, true},
		{"deep", `[{"x":{"y":[{"refresh_token" : "abc" }]}}]`, `[{"x":{"y":[{"refresh_token":"[redacted]"}]}}]`, true},
		{
			"every key", `{"client_secret":1,"secret":true,"password":null}`,
			`{"client_secret":"[redacted]","secret":"[redacted]","password":"[redacted]"}`, true,
		},
		{"a whole object", `{"secret":{"a":["}",{"b":"]"}]},"c":1}`, `{"secret":"[redacted]","c":1}`, true},
		{"a whole list", `{"secret":[[1,2],"x,y"],"c":1}`, `{"secret":"[redacted]","c":1}`, true},
		{"escaped key", `{"acc\u0065ss_token":"abc"}`, `{"acc\u0065ss_token":"[redacted]"}`, true},
		{"capitals", `{"Access_Token":"abc"}`, `{"Access_Token":"[redacted]"}`, true},
		{"twice", `{"secret":"a","secret":"b"}`, `{"secret":"[redacted]","secret":"[redacted]"}`, true},
		{"a value that is a name", `{"key":"secret","v":"kept"}`, `{"key":"secret","v":"kept"}`, false},
		{"a list of names", `["secret","kept"]`, `["secret","kept"]`, false},
		{"escaped quotes", `{"a":"\"secret\":","secret":"\\\"x"}`, `{"a":"\"secret\":","secret":"[redacted]"}`, true},
		{"digits", `{"n":1234567890123456789012.50,"e":1E5,"m":-0.10}`, `{"n":1234567890123456789012.50,"e":1E5,"m":-0.10}`, false},
		{"escapes", `{"a":"\u0000\ud800\/"}`, `{"a":"\u0000\ud800\/"}`, false},
		{"not an object", `"access_token"`, `"access_token"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, found, ok := redactJSON([]byte(tt.in))
			if !ok || string(got) != tt.want || found != tt.found {
				t.Errorf("got %s, found %v, ok %v", got, found, ok)
			}
		})
	}
	for _, in := range []string{``, `{`, `{"a":1}}`, `{"access_token":"x"`, "\xff"} {
		if _, _, ok := redactJSON([]byte(in)); ok {
			t.Errorf("%q passed for JSON", in)
		}
	}
}

// TestRedactionLeaksNothing hides tokens at random places of random documents.
func TestRedactionLeaksNothing(t *testing.T) {
	t.Parallel()
	keys := []string{"access_token", "refresh_token", "client_secret", "secret", "password", "SECRET"}
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // reproducible
		hidden := 0
		var grow func(depth int) any
		grow = func(depth int) any {
			switch n := r.IntN(7); {
			case depth > 5 || n == 0:
				return r.IntN(1000)
			case n == 1:
				return `text with "quotes", {braces}, \ and secret: `
			case n == 2:
				list := make([]any, r.IntN(4))
				for i := range list {
					list[i] = grow(depth + 1)
				}
				return list
			default:
				doc := map[string]any{}
				for range r.IntN(4) {
					doc[fmt.Sprintf("k%d", r.IntN(9))] = grow(depth + 1)
				}
				if r.IntN(2) == 0 {
					hidden++
					doc[keys[r.IntN(len(keys))]] = []any{"TOKENVALUE", map[string]any{"x": "TOKENVALUE"}, 1}[r.IntN(3)]
				}
				return doc
			}
		}
		body, err := json.MarshalIndent(grow(0), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got, found, ok := redactJSON(body)
		if !ok || !json.Valid(got) || bytes.Contains(got, []byte("TOKENVALUE")) || found != bytes.Contains(got, []byte(redacted)) {
			t.Fatalf("seed %d: %s became %s", seed, body, got)
		}
		// What does not parse loses its tokens, too.
		broken := strings.ReplaceAll(string(body[:len(body)-1]), "TOKENVALUE", "ory_at_AbC-123._~+/=="+strings.Repeat("z", 9))
		if text := redactText([]byte(broken)); strings.Contains(text, "ory_at") || strings.Contains(text, "zzzz") {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
}

func FuzzRedactJSON(f *testing.F) {
	f.Add([]byte(`{"secret":[1,{"a":"]"}],"b":"\u0000"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, _, ok := redactJSON(body)
		if ok && !json.Valid(got) {
			t.Errorf("%q became %q", body, got)
		}
		if ok != json.Valid(body) {
			t.Errorf("%q: JSON %v", body, ok)
		}
		if text := redactText(body); tokenLike.MatchString(text) {
			t.Errorf("%q became %q", body, text)
		}
	})
}

func TestRedactText(t *testing.T) {
	t.Parallel()
	in := "{\"access_token\":\"ory_at_abcdefghijklmnop.qrs\", short_one, \x00\xff"
	if got, want := redactText([]byte(in)), "{\"access_token\":\"[redacted]\", short_one, \uFFFD\uFFFD"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFitsJSONB(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		`{"a":"\u0041","b":1e5,"c":true,"d":false,"e":null}`: true,
		`{"a":"\ud83d\ude00"}`:                               true,
		`{"a":"\u0000"}`:                                     false,
		`{"\u0000":1}`:                                       false,
		`{"a":"\ud800"}`:                                     false,
		"{\"a\":\"\xff\"}":                                   false,
		`{"a":1e999999}`:                                     false,
		`{"a":1E-999999}`:                                    false,
		`{"a":1e99999999999999999999999}`:                    false,
		strings.Repeat("[", 600) + strings.Repeat("]", 600):  false,
		strings.Repeat("[", 100) + "1e3" + strings.Repeat("]", 100): true,
	} {
		if got, ok := scan([]byte(in)); !ok || got.Fits != want {
			t.Errorf("%.40q: %v, JSON %v", in, got.Fits, ok)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	id := func(n int64) *int64 { return &n }
	at := func(s string) *time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		v = v.UTC()
		return &v
	}
	for _, tt := range []struct {
		name, source, body string
		want               envelope
	}{
		{
			"app event", "salla", `{"event":"app.installed","merchant":1305146709,"created_at":"2026-11-01 12:31:24","data":{"id":1}}`,
			envelope{Name: "app.installed", Merchant: id(1305146709), CreatedAt: at("2026-11-01T09:31:24Z"), Data: json.RawMessage(`{"id":1}`)},
		},
		{
			"store event", "salla", `{"event":"order.created","merchant":"1305146709","created_at":"Tue Jan 21 2025 18:00:32 GMT+0300"}`,
			envelope{Name: "order.created", Merchant: id(1305146709), CreatedAt: at("2025-01-21T15:00:32Z")},
		},
		{"unreadable time", "salla", `{"event":"x","merchant":5,"created_at":[]}`, envelope{Name: "x", Merchant: id(5)}},
		{"no merchant", "salla", `{"event":"x"}`, envelope{Name: "x", Failed: "it names no merchant"}},
		{"merchant is a fraction", "salla", `{"event":"x","merchant":1.5}`, envelope{Name: "x", Failed: "it names no merchant"}},
		{"no name", "salla", `{"merchant":5}`, envelope{Name: "unreadable", Merchant: id(5), Failed: "it does not say which event it is"}},
		{"not an object", "salla", `[1]`, envelope{Name: "unreadable", Failed: "the body is not a JSON object"}},
		{"null", "salla", `null`, envelope{Name: "unreadable", Failed: "the body is not a JSON object"}},
		{"not JSON", "salla", `{"event":"order.created",`, envelope{Name: "unreadable", Failed: "the body is not JSON"}},
		{"clerk", "clerk", `{"object":"event","type":"user.created","data":{}}`, envelope{Name: "user.created", Data: json.RawMessage(`{}`)}},
		{"long name", "salla", `{"event":"` + strings.Repeat("é", 80) + `","merchant":5}`, envelope{Name: strings.Repeat("é", 50), Merchant: id(5)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, parse(tt.source, []byte(tt.body))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
