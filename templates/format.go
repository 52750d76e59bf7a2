package templates

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count prints a count with separators: 13,412.
func Count[N ~int | ~int32 | ~int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Bytes prints a size in powers of 1024: 812 B, 2.1 MB, 340 MB.
func Bytes(n int64) string {
	if n < 1024 {
		return Count(n) + " B"
	}
	v := float64(n)
	for _, unit := range []string{"KB", "MB", "GB"} {
		v /= 1024
		if v < 1000 {
			return short(v) + " " + unit
		}
	}
	return short(v/1024) + " TB"
}

// Rate prints how many a second (or whatever the caller writes behind it): 0.4, 12, 1,300.
func Rate(v float64) string {
	if v >= 1000 {
		return Count(int64(math.Round(v)))
	}
	return short(v)
}

// short prints v with one decimal where it is below 10.
func short(v float64) string {
	if v < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// Duration prints how long something took, in its two largest units: 120 ms,
// 0.8 s, 12 s, 1 m 20 s, 2 h 5 m, 3 d 4 h.
func Duration(d time.Duration) string {
	d = max(d, 0)
	switch seconds := d.Round(time.Second); {
	case d > 0 && d < time.Millisecond:
		return "<1 ms"
	case d < 950*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < 9950*time.Millisecond:
		return short(d.Round(100*time.Millisecond).Seconds()) + " s"
	case seconds < time.Minute:
		return fmt.Sprintf("%d s", seconds/time.Second)
	case seconds < time.Hour:
		return two(int(seconds/time.Minute), "m", int(seconds%time.Minute/time.Second), "s")
	case seconds < 24*time.Hour:
		return two(int(seconds/time.Hour), "h", int(seconds%time.Hour/time.Minute), "m")
	}
	return two(int(d/(24*time.Hour)), "d", int(d%(24*time.Hour)/time.Hour), "h")
}

func two(a int, unit string, b int, smaller string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unit)
	}
	return fmt.Sprintf("%d %s %d %s", a, unit, b, smaller)
}

// Percent is how much of total is done, as a whole number from 0 to 100. It is
// 100 only when all is done, and negative where total is not known.
func Percent(done, total int64) int {
	switch {
	case total <= 0:
		return -1
	case done >= total:
		return 100
	}
	return min(99, int(max(done, 0)*100/total))
}

// Plural prints a count with its noun: 1 event, 3 events.
func Plural[N ~int | ~int32 | ~int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}
