package salla_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/salla"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	none := time.Time{}
	for _, tc := range []struct {
		name string
		in   string // JSON
		want time.Time
	}{
		{"object", `{"date":"2022-06-16 14:48:20.000000","timezone_type":3,"timezone":"Asia/Riyadh"}`, at("2022-06-16T11:48:20Z")},
		{"object without a zone", `{"date":"2022-06-16 14:48:20.000000"}`, at("2022-06-16T11:48:20Z")},
		{"object with null for a zone", `{"date":"2022-06-16 14:48:20.123456","timezone":null}`, at("2022-06-16T11:48:20.123456Z")},
		{"object in another zone", `{"date":"2022-06-16 14:48:20","timezone":"Africa/Cairo"}`, at("2022-06-16T12:48:20Z")},
		{"object in summer time", `{"date":"2022-07-01 12:00:00","timezone":"Europe/London"}`, at("2022-07-01T11:00:00Z")},
		{"object in UTC", `{"date":"2022-06-16 14:48:20","timezone_type":3,"timezone":"UTC"}`, at("2022-06-16T14:48:20Z")},
		{"object with an offset", `{"date":"2022-06-16 14:48:20","timezone_type":1,"timezone":"+02:00"}`, at("2022-06-16T12:48:20Z")},
		{"object with its own offset in the date", `{"date":"2022-06-16T14:48:20Z","timezone":"Asia/Riyadh"}`, at("2022-06-16T14:48:20Z")},
		{"object with a plain date", `{"date":"2026-10-18","timezone":"Asia/Riyadh"}`, at("2026-10-17T21:00:00Z")},
		{"object in a zone that is none", `{"date":"2022-06-16 14:48:20","timezone":"Mars/Base"}`, none},
		{"object in the host's zone", `{"date":"2022-06-16 14:48:20","timezone":"Local"}`, none},
		{"object with nothing", `{"date":null}`, none},
		{"empty object", `{}`, none},
		{"list", `[]`, none},
		{"text", `"2022-12-31 12:31:25"`, at("2022-12-31T09:31:25Z")},
		{"text with a T", `"2022-12-31T12:31:25"`, at("2022-12-31T09:31:25Z")},
		{"text without seconds", `"2022-12-31 12:31"`, at("2022-12-31T09:31:00Z")},
		{"store event", `"Tue Jan 21 2025 18:00:32 GMT+0300"`, at("2025-01-21T15:00:32Z")},
		{"store event with a zone's name", `"Tue Jan 21 2025 18:00:32 GMT+0000 (توقيت غرينتش)"`, at("2025-01-21T18:00:32Z")},
		{"offset", `"2025-01-21T18:00:32+03:00"`, at("2025-01-21T15:00:32Z")},
		{"offset without a colon", `"2025-01-21 18:00:32+0300"`, at("2025-01-21T15:00:32Z")},
		{"Z with microseconds", `"2026-12-07T21:00:00.000000Z"`, at("2026-12-07T21:00:00Z")},
		{"plain date", `"2026-11-08"`, at("2026-11-07T21:00:00Z")},
		{"Arabic digits", `"٢٠٢٢-١٢-٣١ ١٢:٣١:٢٥"`, at("2022-12-31T09:31:25Z")},
		{"null", `null`, none},
		{"null as text", `"null"`, none},
		{"empty", `""`, none},
		{"zeros", `"0000-00-00 00:00:00"`, none},
		{"the year before one", `"-0001-11-30 00:00:00"`, none},
		{"a number", `172796`, none},
		{"cut", `{"date":"2022`, none},
		{"nothing at all", ``, none},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, ok := salla.ParseTime(json.RawMessage(tc.in))
			if !got.Equal(tc.want) || ok == tc.want.IsZero() || ok && got.Location() != time.UTC {
				t.Errorf("%s: got %v %v, want %v", tc.in, got, ok, tc.want)
			}
			var decoded any
			if json.Unmarshal([]byte(tc.in), &decoded) == nil {
				if again, _ := salla.ParseTime(decoded); !again.Equal(got) {
					t.Errorf("%s, decoded: got %v, want %v", tc.in, again, got)
				}
			}
		})
	}
}

func TestParseExpiry(t *testing.T) {
	t.Parallel()
	now := time.Unix(1794000000, 0).UTC()
	absolute := time.Unix(1794735085, 0).UTC()
	for _, tc := range []struct {
		name string
		in   any
		want time.Time
	}{
		{"duration", json.RawMessage(`1209599`), now.Add(1209599 * time.Second)},
		{"duration as text", json.RawMessage(`"1209599"`), now.Add(1209599 * time.Second)},
		{"absolute", json.RawMessage(`1794735085`), absolute},
		{"absolute in the past", json.RawMessage(`1634819484`), time.Unix(1634819484, 0)},
		{"absolute in ms", json.RawMessage(`1794735085000`), absolute},
		{"json.Number", json.Number("1794735085"), absolute},
		{"float64", float64(1794735085), absolute},
		{"int", 3600, now.Add(time.Hour)},
		{"int64", int64(1794735085), absolute},
		{"string", "1794735085", absolute},
		{"date", "2026-11-15 12:31:25", absolute},
		{"date in JSON", json.RawMessage(`{"date":"2026-11-15 12:31:25","timezone":"Asia/Riyadh"}`), absolute},
		{"zero", json.RawMessage(`0`), time.Time{}},
		{"negative", -5, time.Time{}},
		{"huge", json.RawMessage(`9e40`), time.Time{}},
		{"fraction", 1.5, time.Time{}},
		{"null", json.RawMessage(`null`), time.Time{}},
		{"absent", json.RawMessage(nil), time.Time{}},
		{"nil", nil, time.Time{}},
		{"words", "soon", time.Time{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, ok := salla.ParseExpiry(tc.in, now)
			if !got.Equal(tc.want) || ok == tc.want.IsZero() {
				t.Errorf("got %v %v, want %v", got, ok, tc.want)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	const bad = salla.Number("error")
	for in, want := range map[string]salla.Number{
		`12`: "12", `-12.50`: "-12.50", `"15.00"`: "15.00", `0`: "0", `-0`: "0", `-0.00`: "0.00", `"007"`: "7", `".5"`: "0.5", `"+5."`: "5",
		`0.1`: "0.1", `34.99`: "34.99", `22.499999999999996`: "22.499999999999996", `123456789012345678901234567890.123`: "123456789012345678901234567890.123",
		`1e3`: "1000", `1.25E+2`: "125", `12.5e-3`: "0.0125", `1.5e1`: "15", `5e0`: "5",
		`"٠٫٢٥"`: "0.25", `"١٬٢٣٤٫٥٠"`: "1234.50", `"۱۲"`: "12", `"1,234,567.89"`: "1234567.89", `" 5 "`: "5", `"−5"`: "-5",
		`""`: "", `null`: "", `"null"`: "", `[]`: "", `{}`: "", `false`: "",
		`"1,5"`: bad, `"abc"`: bad, `"12 SAR"`: bad, `true`: bad, `[1]`: bad, `{"a":1}`: bad, `1e99`: bad, `"."`: bad, `"-"`: bad, `"1.2.3"`: bad, `"0x10"`: bad, `"NaN"`: bad, `"1e"`: bad,
	} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			var got salla.Number
			if err := json.Unmarshal([]byte(in), &got); err != nil {
				got = bad
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestNumberInt64AndCmp(t *testing.T) {
	t.Parallel()
	for n, want := range map[salla.Number]int64{"5": 5, "-7.00": -7, "0": 0} {
		if got, ok := n.Int64(); !ok || got != want {
			t.Errorf("%s: got %d %v, want %d", n, got, ok, want)
		}
	}
	for _, n := range []salla.Number{"", "1.5", "99999999999999999999"} {
		if got, ok := n.Int64(); ok {
			t.Errorf("%q: got %d, want none", n, got)
		}
	}
	for _, tc := range []struct {
		a, b salla.Number
		want int
	}{{"1.10", "1.1", 0}, {"10", "9.99", 1}, {"-1", "", -1}, {"", "0", 0}} {
		if got := tc.a.Cmp(tc.b); got != tc.want {
			t.Errorf("%q and %q: got %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"12.5e-3", "١٬٢٣٤٫٥٠", "-0.0", "1,234", "+.5", "9e60"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := salla.ParseNumber(s)
		if err != nil {
			return
		}
		again, err := salla.ParseNumber(string(n))
		if err != nil || again != n {
			t.Errorf("%q gives %q, and that %q, %v", s, n, again, err)
		}
	})
}
