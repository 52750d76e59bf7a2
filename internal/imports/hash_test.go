package imports

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/salla"
)

// FuzzHashIsOfWhatADocumentSays compares the digest with the one of the document
// read as a whole and written in order.
func FuzzHashIsOfWhatADocumentSays(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, ` "a" `, `-0.10`, `1e3`, `12345678901234567890.50`, `{"b":1,"a":[true,false,null,{}]}`, `{"a":1,"a":2}`,
		`{"b":1,"a":2,"b":3,"views":4}`, `{"customer":{"updated_at":"x","id":1,"groups":[1]},"updated_at":"y"}`,
		`{"customer":[{"updated_at":1}],"\u0069d":"\u0623\ud83d\ude00\ud800","t":"\/\n\u0000"}`, `{"نص":"نص\u200f", "z" : "~" }`,
		`{"id": 7 , "status" : {"slug":"deleted"} , "updated_at":null}`, `{"a":`, "{\"a\":\"\xff\"}", `1 2`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		hash := hashOf(raw)
		if !json.Valid(raw) {
			if len(hash) != sha256.Size {
				t.Fatalf("%q has no digest", raw)
			}
			return
		}
		same, who := identify(raw)
		if !bytes.Equal(hash, same) {
			t.Fatalf("%q has two digests", raw)
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		b := bytes.NewBufferString(hashVersion + "\n")
		inOrder(t, b, v, false)
		if want := sha256.Sum256(b.Bytes()); !bytes.Equal(hash, want[:]) {
			t.Fatalf("%q: the digest is not that of %q", raw, b)
		}
		whole := parse(raw)
		for _, key := range []string{"id", "status", "updated_at"} {
			if !bytes.Equal(who[key], whole[key]) {
				t.Fatalf("%q: %s is %q, want %q", raw, key, who[key], whole[key])
			}
		}
	})
}

// inOrder writes a value as the digest is of.
func inOrder(t *testing.T, b *bytes.Buffer, v any, guest bool) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if volatile([]byte(key)) || guest && guestKey([]byte(key)) {
				continue
			}
			b.WriteString(ended(key) + ":")
			inOrder(t, b, v[key], key == "customer")
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for _, one := range v {
			inOrder(t, b, one, false)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case json.Number:
		n, err := salla.ParseNumber(v.String())
		if err != nil {
			b.WriteString(v.String())
			return
		}
		whole, fraction, _ := strings.Cut(string(n), ".")
		b.WriteString(strings.TrimSuffix(whole+"."+strings.TrimRight(fraction, "0"), "."))
	case string:
		b.WriteString(ended(v))
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(raw)
	}
}

// ended is a text as the digest is of.
func ended(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func BenchmarkHash(b *testing.B) {
	raw := []byte(`{"id":1,"status":{"name":"بإنتظار الدفع","slug":"payment_pending"},"items":[` +
		strings.Repeat(`{"name":"منتج رائع","sku":"A-1","quantity":2,"url":"https:\/\/salla.sa\/x","amounts":{"total":{"amount":10.50,"currency":"SAR"}}},`, 10) +
		`{}],"updated_at":"2026-01-01 10:00:00"}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		identify(raw)
	}
}
