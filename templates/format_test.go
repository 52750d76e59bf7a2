package templates

import (
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 13412: "13,412", 1204881: "1,204,881", -1234: "-1,234"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 812: "812 B", 1023: "1,023 B", 1024: "1 KB", 2202009: "2.1 MB", 340 << 20: "340 MB", 1023 << 20: "1 GB", 5 << 40: "5 TB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "0", 0.44: "0.4", 2: "2", 9.96: "10", 12.3: "12", 1299.7: "1,300"} {
		if got := Rate(v); got != want {
			t.Errorf("Rate(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second:                     "0 ms",
		0:                                "0 ms",
		300 * time.Microsecond:           "<1 ms",
		120 * time.Millisecond:           "120 ms",
		949 * time.Millisecond:           "949 ms",
		950 * time.Millisecond:           "1 s",
		1240 * time.Millisecond:          "1.2 s",
		9949 * time.Millisecond:          "9.9 s",
		9950 * time.Millisecond:          "10 s",
		59499 * time.Millisecond:         "59 s",
		59500 * time.Millisecond:         "1 m",
		80 * time.Second:                 "1 m 20 s",
		time.Hour - 200*time.Millisecond: "1 h",
		2*time.Hour + 5*time.Minute:      "2 h 5 m",
		76 * time.Hour:                   "3 d 4 h",
		48 * time.Hour:                   "2 d",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		done, total int64
		want        int
	}{{0, 0, -1}, {5, -1, -1}, {0, 10, 0}, {-3, 10, 0}, {4210, 10000, 42}, {9999, 10000, 99}, {10000, 10000, 100}, {12, 10, 100}} {
		if got := Percent(tt.done, tt.total); got != tt.want {
			t.Errorf("Percent(%d, %d) = %d, want %d", tt.done, tt.total, got, tt.want)
		}
	}
}

func TestPlural(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 events", 1: "1 event", 2100: "2,100 events"} {
		if got := Plural(n, "event", "events"); got != want {
			t.Errorf("Plural(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	riyadh := time.FixedZone("AST", 3*60*60)
	now := time.Date(2025, 11, 14, 11, 2, 11, 0, time.UTC)
	tests := []struct {
		name string
		at   time.Time
		loc  *time.Location
		want Moment
	}{
		{"never", time.Time{}, riyadh, Moment{}},
		{"just now", now.Add(-4 * time.Second), riyadh, Moment{"now", "14 Nov 2025, 14:02:07 GMT+3", "14:02:07", "2025-11-14T11:02:07Z"}},
		{"minutes ago", now.Add(-3*time.Minute - 59*time.Second), riyadh, Moment{"3 min ago", "14 Nov 2025, 13:58:12 GMT+3", "13:58:12", "2025-11-14T10:58:12Z"}},
		{"no zone", now.Add(-30 * time.Second), nil, Moment{"30 s ago", "14 Nov 2025, 11:01:41 UTC", "11:01:41", "2025-11-14T11:01:41Z"}},
		{"yesterday by the zone", now.Add(-15 * time.Hour), riyadh, Moment{"15 h ago", "13 Nov 2025, 23:02:11 GMT+3", "13 Nov 23:02:11", "2025-11-13T20:02:11Z"}},
		{"ahead", now.Add(90 * time.Second), riyadh, Moment{"in 1 min", "14 Nov 2025, 14:03:41 GMT+3", "14:03:41", "2025-11-14T11:03:41Z"}},
		{"months ago", now.AddDate(0, -2, 0), riyadh, Moment{"14 Sep", "14 Sep 2025, 14:02:11 GMT+3", "14 Sep 14:02:11", "2025-09-14T11:02:11Z"}},
		{"last year", now.AddDate(-1, 0, 0), time.FixedZone("NST", -3*60*60-1800), Moment{"14 Nov 2024", "14 Nov 2024, 07:32:11 GMT-3:30", "14 Nov 2024 07:32", "2024-11-14T11:02:11Z"}},
	}
	for _, tt := range tests {
		if got := NewMoment(tt.at, now, tt.loc); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	v := PayloadView{JSON: true, Text: `{"a":"b: \"c\"","d":[12345678901234567890,null],"e":{}}`}
	var keys []string
	whole := ""
	for _, tok := range tokens(v) {
		if tok.Key {
			keys = append(keys, tok.Text)
		}
		whole += tok.Text
	}
	if whole != pretty(v) {
		t.Errorf("the pieces make %q, want %q", whole, pretty(v))
	}
	if len(keys) != 3 || keys[0] != `"a"` || keys[1] != `"d"` || keys[2] != `"e"` {
		t.Errorf("keys = %q", keys)
	}
	for _, text := range []string{`{"a":`, `"`, `\`, "", "plain"} {
		broken := PayloadView{JSON: true, Text: text}
		if got := tokens(broken); len(got) != 1 || got[0].Text != text {
			t.Errorf("%q that does not parse is shown as %v, want as it is", text, got)
		}
	}
}
