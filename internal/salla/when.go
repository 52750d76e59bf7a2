package salla

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // date objects name zones; the host may know none
)

// riyadh is what a time without a zone means. Saudi Arabia has no summer time.
var riyadh = time.FixedZone("Asia/Riyadh", 3*60*60)

// Riyadh is the zone of Salla's days: those that lists are filtered by.
func Riyadh() *time.Location { return riyadh }

// The forms of a time in text, after a T and a trailing zone name are taken off.
var (
	zoned = []string{
		"2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02 15:04:05.999999999Z0700",
		"2006-01-02 15:04:05.999999999 Z0700",
		"Mon Jan _2 2006 15:04:05 GMTZ0700",
	}
	unzoned = []string{"2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02"}

	isoT     = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt](\d\d:)`)
	zoneName = regexp.MustCompile(`\s*\([^()]*\)$`) // "(Arabian Standard Time)"
)

// ParseTime reads a time in any form that Salla documents: a date object with or
// without its timezone, "2006-01-02 15:04:05" (Riyadh), "Tue Jan 21 2025 18:00:32
// GMT+0300", ISO 8601 with an offset or Z, and a plain date. v is JSON
// (json.RawMessage, []byte), a string, or a decoded value. The time is in UTC.
// False means that there is none, or that it cannot be read.
func ParseTime(v any) (time.Time, bool) {
	switch v := v.(type) {
	case json.RawMessage:
		return parseJSONTime(v)
	case []byte:
		return parseJSONTime(v)
	case string:
		return parseText(v, riyadh)
	case map[string]any:
		date, _ := v["date"].(string)
		zone, _ := v["timezone"].(string)
		return parseObject(date, zone)
	case time.Time:
		return v.UTC(), !v.IsZero()
	}
	return time.Time{}, false
}

func parseJSONTime(raw []byte) (time.Time, bool) {
	raw = []byte(strings.TrimSpace(string(raw)))
	if blank(raw) {
		return time.Time{}, false
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return time.Time{}, false
		}
		return parseText(s, riyadh)
	case '{':
		var doc struct {
			Date     text `json:"date"`
			Timezone text `json:"timezone"`
		}
		if json.Unmarshal(raw, &doc) != nil {
			return time.Time{}, false
		}
		return parseObject(string(doc.Date), string(doc.Timezone))
	}
	return time.Time{}, false
}

func parseObject(date, zone string) (time.Time, bool) {
	loc, ok := location(strings.TrimSpace(zone))
	if !ok {
		return time.Time{}, false
	}
	return parseText(date, loc)
}

// location reads a zone's name or offset; "" is Riyadh.
func location(zone string) (*time.Location, bool) {
	switch zone {
	case "", "Asia/Riyadh":
		return riyadh, true
	case "UTC", "Z", "GMT":
		return time.UTC, true
	case "Local": // the host's zone says nothing about the store's
		return nil, false
	}
	for _, layout := range []string{"-07:00", "-0700"} {
		if t, err := time.Parse(layout, zone); err == nil {
			_, offset := t.Zone()
			return time.FixedZone(zone, offset), true
		}
	}
	loc, err := time.LoadLocation(zone)
	return loc, err == nil
}

func parseText(s string, loc *time.Location) (time.Time, bool) {
	if len(s) > 100 {
		return time.Time{}, false
	}
	if s = strings.TrimSpace(Digits(s)); strings.HasSuffix(s, ")") {
		s = zoneName.ReplaceAllString(s, "")
	}
	if strings.ContainsAny(s, "Tt") {
		s = isoT.ReplaceAllString(s, "$1 $2")
	}
	for _, layout := range unzoned { // first: most are
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return sane(t)
		}
	}
	for _, layout := range zoned {
		if t, err := time.Parse(layout, s); err == nil {
			return sane(t)
		}
	}
	return time.Time{}, false
}

// sane refuses the years with which databases write "no date".
func sane(t time.Time) (time.Time, bool) {
	if t.Year() < 1000 {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// ParseExpiry reads the end of an access token, relative to now: Salla writes a
// duration in seconds (expires, expires_in) as well as an absolute Unix time
// (expires in app.store.authorize), as a number or a string. False means that
// there is none, or that it cannot be read.
func ParseExpiry(value any, now time.Time) (time.Time, bool) {
	var n Number
	var err error
	switch v := value.(type) {
	case json.RawMessage:
		err = n.UnmarshalJSON(v)
	case json.Number:
		n, err = ParseNumber(v.String())
	case string:
		n, err = ParseNumber(v)
	case int:
		return expiry(int64(v), now)
	case int64:
		return expiry(v, now)
	case float64: // what encoding/json gives for an any
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return time.Time{}, false
		}
		return expiry(int64(v), now)
	}
	if err != nil {
		return ParseTime(value)
	}
	whole, ok := n.Int64()
	if !ok {
		return time.Time{}, false
	}
	return expiry(whole, now)
}

// expiry tells a duration from a Unix time, in seconds or milliseconds, by its size.
func expiry(n int64, now time.Time) (time.Time, bool) {
	switch {
	case n <= 0 || n > 1e14:
		return time.Time{}, false
	case n < 1e9:
		return now.Add(time.Duration(n) * time.Second).UTC().Round(0), true
	case n < 1e12:
		return time.Unix(n, 0).UTC(), true
	}
	return time.UnixMilli(n).UTC(), true
}
