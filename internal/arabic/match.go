package arabic

import (
	"regexp"
	"slices"
	"strings"
)

// deepest bounds how often a text is parted into texts that are parted again.
const deepest = 6

// form is a phrase in parts: texts and placeholders.
type form []part

type part struct {
	text string // of a part that is no placeholder
	kind byte   // n, d, b, t, w, x; 0: a text
	name string
	noun string // the counted noun behind a number
}

// pattern is a phrase with placeholders.
type pattern struct {
	in, out form
	fixed   int    // how much of it is text
	mark    string // the longest of its texts: what a match has in it
}

// The classes of patterns that begin with a placeholder.
const (
	classNumber = "\x01"
	classAny    = "\x02"
)

// class is where a pattern is looked for.
func (p pattern) class() string {
	switch first := p.in[0]; first.kind {
	case 0:
		if word, _, ok := strings.Cut(first.text, " "); ok {
			return word
		}
		return classAny // its first word goes on in a placeholder
	case 'w', 'x':
		return classAny
	}
	return classNumber
}

// phrase translates a text, whole or in its parts.
func (t *Translator) phrase(text string, depth int) (string, bool) {
	if depth > deepest || text == "" {
		return text, false
	}
	if out, ok := t.one(text, depth, false); ok {
		return out, true
	}
	// What ends with a sentence that is known is sentences; what only begins with one
	// may as well be a phrase with a name in it, such as St. Mary.
	sentences, known := t.sentences(text, depth)
	if len(known) > 0 {
		if known[len(known)-1] {
			return sentences, true
		}
		if out, ok := t.one(text, depth, true); ok {
			return out, true
		}
		if slices.Contains(known, true) {
			return sentences, true
		}
	}
	if out, ok := t.parted(text, depth); ok {
		return out, true
	}
	if bare, end := unmarked(text); bare != text && end != "." {
		if out, ok := t.parted(bare, depth); ok {
			return closed(out, end), true
		}
	}
	return text, false
}

// one translates a text that is one phrase: as it stands, before without its last
// mark, before with something for its placeholders. What stays as it is there may be
// several sentences only where wide says so.
func (t *Translator) one(text string, depth int, wide bool) (string, bool) {
	bare, end := unmarked(text)
	if f, ok := t.known(text); ok {
		return f.fill(t, nil), true
	}
	if f, ok := t.known(bare); ok {
		return closed(f.fill(t, nil), end), true
	}
	if end != "" && end != "." { // no name ends with such a mark
		if out, ok := t.whole(bare, depth, wide); ok {
			return closed(out, end), true
		}
	}
	if out, ok := t.whole(text, depth, wide); ok {
		return out, true
	}
	if bare != text {
		if out, ok := t.whole(bare, depth, wide); ok {
			return closed(out, end), true
		}
	}
	return text, false
}

// unmarked takes the mark at the end of a text away, and gives it in Arabic.
func unmarked(text string) (bare, end string) {
	for _, mark := range []struct{ english, arabic string }{{".", "."}, {"…", "…"}, {":", ":"}, {"?", "؟"}, {" ✕", " ✕"}, {",", "،"}, {";", "؛"}} {
		if rest, ok := strings.CutSuffix(text, mark.english); ok && rest != "" {
			return rest, mark.arabic
		}
	}
	return text, ""
}

// closed is a text with a mark at its end, if there is one.
func closed(text, end string) string {
	if end == "" {
		return text
	}
	return strings.TrimSuffix(text, ".") + end
}

// known finds a text that is a phrase without placeholders.
func (t *Translator) known(text string) (form, bool) {
	f, ok := t.exact[text]
	if !ok {
		f, ok = t.exact[fold(text)]
	}
	return f, ok
}

// sentences translates a text that is made of several: as many at once as are one
// phrase. One that is not known stays as it is; known tells which are.
func (t *Translator) sentences(text string, depth int) (translated string, known []bool) {
	list := strings.SplitAfter(text, ". ")
	if len(list) < 2 {
		return text, nil
	}
	var out []string
	for at := 0; at < len(list); {
		next := at + 1
		var said string
		found := false
		for to := len(list); to > at; to-- {
			if at == 0 && to == len(list) {
				continue // that is the whole
			}
			part := strings.TrimSpace(strings.Join(list[at:to], ""))
			if to == at+1 {
				said, found = t.phrase(part, depth+1)
			} else {
				said, found = t.one(part, depth+1, false)
			}
			if found {
				next = to
				break
			}
			said = foreign(part)
		}
		out, known = append(out, said), append(known, found)
		at = next
	}
	return strings.Join(out, " "), known
}

// whole finds a text as a quantity or by a pattern.
func (t *Translator) whole(text string, depth int, wide bool) (string, bool) {
	key := fold(text)
	if out, ok := quantity(text); ok {
		return out, true
	}
	classes := []string{classAny}
	if c := text[0]; c >= '0' && c <= '9' || c == '<' || c == '-' || c == '+' || strings.HasPrefix(text, "≈") {
		classes = []string{classNumber, classAny}
	} else if word, _, ok := strings.Cut(key, " "); ok {
		classes = []string{word, classAny}
	}
	for _, class := range classes {
		for _, p := range t.patterns[class] {
			subject := text
			if p.in[0].kind == 0 {
				subject = key // it begins with words, which may begin a sentence
			}
			if !strings.Contains(subject, p.mark) {
				continue
			}
			given := make(map[string]string, 4)
			if t.match(p.in, subject, given, depth, wide) {
				return p.out.fill(t, given), true
			}
		}
	}
	return text, false
}

// match fits a text to a phrase, and notes what stands for its placeholders.
func (t *Translator) match(f form, text string, given map[string]string, depth int, wide bool) bool {
	if len(f) == 0 {
		return text == ""
	}
	p := f[0]
	if p.kind == 0 {
		rest, ok := strings.CutPrefix(text, p.text)
		return ok && t.match(f[1:], rest, given, depth, wide)
	}
	switch p.kind {
	case 'n':
		return t.matchForm(f, text, given, depth, wide, len(numberForm.FindString(text)))
	case 'd':
		return t.matchForm(f, text, given, depth, wide, length(durationForm, text))
	case 'b':
		return t.matchForm(f, text, given, depth, wide, length(sizeForm, text))
	case 't':
		n := timeLength(text)
		if n == 0 {
			n = length(isoForm, text)
		}
		return t.matchForm(f, text, given, depth, wide, n)
	}
	for n := 1; n <= len(text); n++ {
		if len(f) > 1 {
			next := strings.Index(text[min(n, len(text)):], f[1].text)
			if next < 0 {
				return false
			}
			n += next
		} else {
			n = len(text)
		}
		if !t.match(f[1:], text[n:], given, depth, wide) {
			continue
		}
		value := text[:n]
		out, ok := "", false
		if p.kind == 'w' {
			out, ok = t.phrase(value, depth+1)
		}
		if !ok {
			if !wide && strings.Contains(value, ". ") {
				return false
			}
			out = foreign(value)
		}
		given[p.name] = out
		return true
	}
	return false
}

func length(re *regexp.Regexp, text string) int { return len(re.FindString(text)) }

// matchForm takes n bytes of text for the placeholder that f begins with.
func (t *Translator) matchForm(f form, text string, given map[string]string, depth int, wide bool, n int) bool {
	if n == 0 || !t.match(f[1:], text[n:], given, depth, wide) {
		return false
	}
	given[f[0].name] = text[:n]
	return true
}

// foreign is a text that stays as it is within Arabic.
func foreign(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r > ' ' && r < 0x600 }) < 0 {
		return text
	}
	return isolate(text)
}

// fill writes a phrase with what was given for its placeholders.
func (f form) fill(t *Translator, given map[string]string) string {
	if len(f) == 1 && f[0].kind == 0 {
		return f[0].text
	}
	var b strings.Builder
	for _, p := range f {
		value := given[p.name]
		switch {
		case p.kind == 0:
			b.WriteString(p.text)
		case p.noun != "" && len(t.nouns[p.noun]) == forms:
			b.WriteString(counted(value, t.nouns[p.noun]))
		case p.kind == 'n':
			b.WriteString(digits(value))
		case p.kind == 'd':
			b.WriteString(duration(value))
		case p.kind == 'b':
			b.WriteString(size(value))
		case p.kind == 't' && isoForm.MatchString(value):
			b.WriteString(isoDate(value))
		case p.kind == 't':
			b.WriteString(moment(value))
		default:
			b.WriteString(value)
		}
	}
	return b.String()
}

// parted translates a text that is made of several, at the widest of its joints.
func (t *Translator) parted(text string, depth int) (string, bool) {
	for _, joint := range []struct {
		english, arabic string
		all             bool // each part has to be known
	}{{" · ", " · ", false}, {"; ", "؛ ", false}, {": ", ": ", false}, {", ", "، ", true}, {" / ", " / ", true}} {
		if !strings.Contains(text, joint.english) {
			continue
		}
		parts := strings.Split(text, joint.english)
		if joint.english == ": " {
			parts = strings.SplitN(text, joint.english, 2)
		}
		known := 0
		for i, part := range parts {
			out, ok := t.phrase(part, depth+1)
			switch {
			case ok:
				known++
			case !worthwhile(part):
				out, known = part, known+1
			default:
				out = foreign(part)
			}
			parts[i] = out
		}
		if known == len(parts) || known > 0 && !joint.all {
			return strings.Join(parts, joint.arabic), true
		}
	}
	return t.bracketed(text, depth)
}

// bracketed translates a text with a remark in brackets at its end.
func (t *Translator) bracketed(text string, depth int) (string, bool) {
	before, remark, ok := strings.Cut(text, " (")
	if !ok || !strings.HasSuffix(remark, ")") {
		return text, false
	}
	remark = strings.TrimSuffix(remark, ")")
	first, ok1 := t.phrase(before, depth+1)
	second, ok2 := t.phrase(remark, depth+1)
	if !ok1 {
		return text, false
	}
	if !ok2 {
		second = foreign(remark)
	}
	return first + " (" + second + ")", true
}
