package templates

import (
	"fmt"
	"time"
)

// NewMoment says when t was (or will be), as seen at now in zone loc. The zero
// time gives the zero Moment, which is printed as a dash.
func NewMoment(t, now time.Time, loc *time.Location) Moment {
	if t.IsZero() {
		return Moment{}
	}
	if loc == nil {
		loc = time.UTC
	}
	local, today := t.In(loc), now.In(loc)
	clock := local.Format("15:04:05")
	switch {
	case local.Year() != today.Year():
		clock = local.Format("2 Jan 2006 15:04")
	case local.YearDay() != today.YearDay():
		clock = local.Format("2 Jan 15:04:05")
	}
	return Moment{
		Rel:   relative(local, today),
		Exact: local.Format("2 Jan 2006, 15:04:05") + " " + zone(local),
		Clock: clock,
		ISO:   t.UTC().Format(time.RFC3339),
	}
}

// IsZero tells whether there is no time to print.
func (m Moment) IsZero() bool { return m.ISO == "" }

// relative is the text of a time element. The script counts on in the same
// words (see static/console.js): change both.
func relative(t, now time.Time) string {
	d := now.Sub(t)
	ahead := d < 0
	if ahead {
		d = -d
	}
	var text string
	switch {
	case d < 5*time.Second:
		return "now"
	case d < time.Minute:
		text = fmt.Sprintf("%d s", int(d/time.Second))
	case d < time.Hour:
		text = fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 24*time.Hour:
		text = fmt.Sprintf("%d h", int(d/time.Hour))
	case d < 30*24*time.Hour:
		text = fmt.Sprintf("%d d", int(d/(24*time.Hour)))
	case t.Year() == now.Year():
		return t.Format("2 Jan")
	default:
		return t.Format("2 Jan 2006")
	}
	if ahead {
		return "in " + text
	}
	return text + " ago"
}

// zone names the zone of t so that nobody takes it for another: UTC, GMT+3.
func zone(t time.Time) string {
	_, offset := t.Zone()
	if offset == 0 {
		return "UTC"
	}
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	if m := offset % 3600 / 60; m != 0 {
		return fmt.Sprintf("GMT%c%d:%02d", sign, offset/3600, m)
	}
	return fmt.Sprintf("GMT%c%d", sign, offset/3600)
}
