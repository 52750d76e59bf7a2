package arabic

import (
	"regexp"
	"strings"
)

// Numbers as English pages print them.
var (
	numberForm   = regexp.MustCompile(`^(?:≈ |~)?[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?\+?(?: ?%)?`)
	durationForm = regexp.MustCompile(`^<?\d+(?:\.\d+)? (?:ms|min|s|m|h|d)\b(?: \d+ (?:s|m|h)\b)?`)
	sizeForm     = regexp.MustCompile(`^(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)? (?:B|KB|MB|GB|TB)\b`)
	timeForm     = regexp.MustCompile(`^(?:(\d{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?: (\d{4}))?,?)?(?: ?(\d\d:\d\d(?::\d\d)?))?(?: (UTC|GMT[+-]\d{1,2}(?::\d\d)?))?`)
	isoForm      = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)\b`)
	idForm       = regexp.MustCompile(`^\d{4,}$`) // counts have separators: this is no count
)

var toArabic = strings.NewReplacer(
	"0", "٠", "1", "١", "2", "٢", "3", "٣", "4", "٤", "5", "٥", "6", "٦", "7", "٧", "8", "٨", "9", "٩",
	",", "٬", ".", "٫", " %", "٪", "%", "٪",
)

var onlyDigits = strings.NewReplacer(
	"0", "٠", "1", "١", "2", "٢", "3", "٣", "4", "٤", "5", "٥", "6", "٦", "7", "٧", "8", "٨", "9", "٩",
)

// digits writes a number as Arabic does: 13,412.5 is ١٣٬٤١٢٫٥.
func digits(number string) string { return toArabic.Replace(number) }

// months by their short English names; Saudi Arabia calls them so.
func month(name string) string {
	switch name {
	case "Jan", "01":
		return "يناير"
	case "Feb", "02":
		return "فبراير"
	case "Mar", "03":
		return "مارس"
	case "Apr", "04":
		return "أبريل"
	case "May", "05":
		return "مايو"
	case "Jun", "06":
		return "يونيو"
	case "Jul", "07":
		return "يوليو"
	case "Aug", "08":
		return "أغسطس"
	case "Sep", "09":
		return "سبتمبر"
	case "Oct", "10":
		return "أكتوبر"
	case "Nov", "11":
		return "نوفمبر"
	case "Dec", "12":
		return "ديسمبر"
	}
	return name
}

// quantity writes a text that is nothing but a number, a duration, a size or a time.
func quantity(text string) (string, bool) {
	if idForm.MatchString(text) {
		return text, true
	}
	for _, q := range []struct {
		form  *regexp.Regexp
		write func(string) string
	}{{numberForm, digits}, {durationForm, duration}, {sizeForm, size}, {isoForm, isoDate}} {
		if found := q.form.FindString(text); found != "" && len(found) == len(text) {
			return q.write(text), true
		}
	}
	if n := timeLength(text); n == len(text) {
		return moment(text), true
	}
	return text, false
}

// duration writes 1 m 20 s as ١ د ٢٠ ث.
func duration(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		switch w {
		case "ms":
			words[i] = "م.ث"
		case "s":
			words[i] = "ث"
		case "m", "min":
			words[i] = "د"
		case "h":
			words[i] = "س"
		case "d":
			words[i] = "ي"
		default:
			if rest, ok := strings.CutPrefix(w, "<"); ok {
				w = "أقل من " + rest
			}
			words[i] = digits(w)
		}
	}
	return strings.Join(words, " ")
}

func size(text string) string {
	number, unit, _ := strings.Cut(text, " ")
	switch unit {
	case "B":
		unit = "بايت"
	case "KB":
		unit = "ك.ب"
	case "MB":
		unit = "م.ب"
	case "GB":
		unit = "ج.ب"
	case "TB":
		unit = "ت.ب"
	}
	return digits(number) + " " + unit
}

// timeLength is how much of text is a time; 0 where it begins with none.
func timeLength(text string) int {
	m := timeForm.FindStringSubmatchIndex(text)
	if m == nil || m[2] < 0 && m[8] < 0 { // neither a day nor a clock
		return 0
	}
	return len(strings.TrimRight(text[:m[1]], ", "))
}

// moment writes 14 Nov 2025, 14:02:11 GMT+3.
func moment(text string) string {
	m := timeForm.FindStringSubmatch(text)
	var parts []string
	if m[1] != "" {
		parts = append(parts, onlyDigits.Replace(m[1]), month(m[2]))
	}
	if m[3] != "" {
		parts = append(parts, onlyDigits.Replace(m[3]))
	}
	out := strings.Join(parts, " ")
	if m[4] != "" {
		if m[3] != "" {
			out += "،"
		}
		out = strings.TrimSpace(out + " " + onlyDigits.Replace(m[4]))
	}
	switch {
	case m[5] == "UTC":
		out += " بالتوقيت العالمي"
	case m[5] != "":
		out += " غرينتش" + onlyDigits.Replace(strings.TrimPrefix(m[5], "GMT"))
	}
	return out
}

func isoDate(text string) string {
	m := isoForm.FindStringSubmatch(text)
	return onlyDigits.Replace(strings.TrimPrefix(m[3], "0")) + " " + month(m[2]) + " " + onlyDigits.Replace(m[1])
}
