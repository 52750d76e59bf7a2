package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// checkScan compares what scan says of a body with what encoding/json says.
func checkScan(t *testing.T, body []byte) {
	t.Helper()
	doc, ok := scan(body)
	if ok != json.Valid(body) {
		t.Fatalf("%.200q: JSON %v", body, ok)
	}
	if !ok {
		return
	}
	if !json.Valid(doc.Redacted) {
		t.Fatalf("%.200q became %.200q", body, doc.Redacted)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		t.Fatal(err)
	}
	if !doc.Secret && !bytes.Equal(compact.Bytes(), doc.Redacted) {
		t.Fatalf("%.200q became %.200q, want %.200q", body, doc.Redacted, compact.Bytes())
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); (err == nil && members != nil) != doc.Object {
		t.Fatalf("%.200q: an object: %v", body, doc.Object)
	}
	for name, got := range map[string]json.RawMessage{
		"event": doc.Fields.Event, "type": doc.Fields.Type, "merchant": doc.Fields.Merchant,
		"created_at": doc.Fields.CreatedAt, "data": doc.Fields.Data,
	} {
		if !bytes.Equal(got, members[name]) {
			t.Fatalf("%.200q: %s is %.200q, want %.200q", body, name, got, members[name])
		}
	}
}

func TestScanIsAsStrictAsTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, `[]`, ` [ ] `, `{ }`, `[1,]`, `{"a":1,}`, `{,}`, `[,]`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{1:2}`, `[1 2]`, `[}`, `{]`, `[1}`, `{"a":1]`,
		`0`, `-0`, `01`, `-`, `+1`, `1.`, `.5`, `1.5`, `1e`, `1e+`, `1E-7`, `1e5.5`, `--1`, `1x`, `0x1`, `NaN`,
		`true`, `tru`, `truex`, `false`, `null`, `nul`, `"a`, `"a"`, `""`, `"\`, `"\"`, `"\q"`, `"\u12"`, `"\u123G"`, `"\uABCD"`, "\"\x01\"", "\"\x7f\"",
		"\"\xff\"", "\xff", "\"\\ud800\"", `"\ud83d\ude00"`, `"\ud83d\u0041"`, `"\ud83d\u12"`, `"\ud83d\"`, "\ufeff{}", "{}\n", "{}{}", "{} x", "", " ", "\v1",
		`{"event":1,"event":2}`, `{"eve\u006et":"x"}`, `{"Event":1}`, `{"data":{"event":3},"merchant":[{"data":1}]}`, `[{"event":1}]`,
		`{ "data" : { "a" : [ 1 , 2 ] } , "event" : "x" }`, `{"data":{"event":{"type":1}}}`, `{"secret":{"event":1},"event":2}`,
		strings.Repeat("[", maxNesting) + strings.Repeat("]", maxNesting), strings.Repeat("[", maxNesting+1) + strings.Repeat("]", maxNesting+1),
	} {
		checkScan(t, []byte(body))
	}
}

// TestScanOfDamagedBodies changes bytes of bodies that read well.
func TestScanOfDamagedBodies(t *testing.T) {
	t.Parallel()
	const body = `{"event":"order.updated","merchant":12, "created_at" : null,"data":{"a":[1,-2.5e+3,true,{"b":"\u0627\"\\x"}],"secret":["x",{"y":"z"}],"c":{}}}`
	for seed := range uint64(50_000) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible
		damaged := []byte(body)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(damaged))
			switch r.IntN(3) {
			case 0:
				damaged[at] = "{}[]\",:\\u0e-. t\n\x00\xff"[r.IntN(18)]
			case 1:
				damaged = append(damaged[:at], damaged[at+1:]...)
			default:
				damaged = append(damaged[:at], append([]byte{damaged[r.IntN(len(damaged))]}, damaged[at:]...)...)
			}
		}
		checkScan(t, damaged)
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"event":"x","data":[1,2.5e7,"\ud83d\ude00",{"secret":null}]}`))
	f.Fuzz(checkScan)
}

// A body in which nothing is left out is not copied.
func TestScanCopiesOnlyWhatItHasTo(t *testing.T) {
	t.Parallel()
	body := []byte(`{"event":"order.updated","merchant":1,"data":{"a":[1,2,{"b":"\u0627"}]}}`)
	doc, ok := scan(body)
	if !ok || &doc.Redacted[0] != &body[0] || len(doc.Redacted) != len(body) {
		t.Errorf("a copy of %d bytes was made", len(doc.Redacted))
	}
}

func BenchmarkScan(b *testing.B) {
	var body bytes.Buffer
	body.WriteString(`{"event":"order.updated","merchant":1305146709,"data":{"items":[`)
	for i := range 40 {
		fmt.Fprintf(&body, `%s{"id":%d,"name":"\u0645\u0646\u062a\u062c","price":{"amount":%d.50,"currency":"SAR"},"url":"https:\/\/example.com\/p"}`, strings.Repeat(",", min(i, 1)), i, i)
	}
	body.WriteString(`]}}`)
	b.SetBytes(int64(body.Len()))
	for b.Loop() {
		if _, ok := scan(body.Bytes()); !ok {
			b.Fatal("not JSON")
		}
	}
}
