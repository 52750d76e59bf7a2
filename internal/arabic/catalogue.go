package arabic

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// arrow parts a phrase from its translation.
const arrow = " → "

// load reads a file of the catalogue. Its lines are
//
//	English → Arabic
//	{n} [event waits|events wait] → {n@event} في الانتظار
//	place|word → the word where a cell or a field is called so
//	@event = حدث واحد|حدثان|# أحداث|# حدثًا|# حدث
//
// and # begins a remark. A placeholder is {n}, a number; {d}, a duration; {b}, a size;
// {t}, a time; {w}, words that are translated in their turn; {x}, whatever stands
// there, as it is. A digit behind the letter tells several apart. [a|b] stands for
// each of its parts.
func (t *Translator) load(text string) error {
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := t.line(line); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

func (t *Translator) line(line string) error {
	if noun, list, ok := strings.Cut(line, " = "); ok && noun[0] == '@' {
		words := strings.Split(list, "|")
		if len(words) != forms {
			return fmt.Errorf("the noun %s has %d forms, not %d", noun, len(words), forms)
		}
		t.nouns[noun[1:]] = words
		return nil
	}
	english, arabic, ok := strings.Cut(line, arrow)
	if !ok || english == "" || arabic == "" {
		return fmt.Errorf("no phrase with its translation: %s", line)
	}
	out, err := compile(arabic)
	if err != nil {
		return err
	}
	for _, e := range spread(english) {
		if err := t.add(e, out); err != nil {
			return err
		}
	}
	return nil
}

func (t *Translator) add(english string, out form) error {
	in, err := compile(english)
	if err != nil {
		return err
	}
	given := map[string]bool{}
	for _, p := range in {
		if p.kind != 0 {
			given[p.name] = true
		}
	}
	for _, p := range out {
		if p.kind != 0 && !given[p.name] {
			return fmt.Errorf("%q has no {%s}", english, p.name)
		}
	}
	if len(given) == 0 {
		if _, twice := t.exact[english]; twice {
			return fmt.Errorf("%q is there twice", english)
		}
		t.exact[english] = out
		return nil
	}
	in[0].text = fold(in[0].text)
	p := pattern{in: in, out: out}
	if slices.ContainsFunc(t.patterns[p.class()], func(other pattern) bool { return slices.Equal(other.in, in) }) {
		return fmt.Errorf("%q is there twice", english)
	}
	for _, x := range in {
		p.fixed += len(x.text)
		if len(x.text) > len(p.mark) {
			p.mark = x.text
		}
	}
	t.patterns[p.class()] = append(t.patterns[p.class()], p)
	return nil
}

// finish lets phrases that begin a sentence be found within one, where that is no
// phrase of its own, and puts patterns that say more before those that say less.
func (t *Translator) finish() {
	for _, english := range slices.Sorted(maps.Keys(t.exact)) {
		if _, own := t.exact[fold(english)]; !own {
			t.exact[fold(english)] = t.exact[english]
		}
	}
	for _, list := range t.patterns {
		slices.SortStableFunc(list, func(a, b pattern) int { return b.fixed - a.fixed })
	}
}

// spread gives a phrase once for each of the alternatives in its brackets; the first
// of all brackets go together, as do the second.
func spread(phrase string) []string {
	if !strings.Contains(phrase, "[") {
		return []string{phrase}
	}
	var list []string
	for i := 0; ; i++ {
		var b strings.Builder
		rest, more := phrase, false
		for {
			before, from, ok := strings.Cut(rest, "[")
			b.WriteString(before)
			if !ok {
				break
			}
			choice, after, ok := strings.Cut(from, "]")
			words := strings.Split(choice, "|")
			if !ok || len(words) < 2 { // [redacted] is a word
				b.WriteString("[" + choice + "]")
			} else {
				b.WriteString(words[min(i, len(words)-1)])
				more = more || i+1 < len(words)
			}
			rest = after
		}
		list = append(list, b.String())
		if !more {
			return list
		}
	}
}

// fold makes one key of a phrase at the beginning of a sentence and within one.
func fold(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	if n == 0 || !unicode.IsUpper(r) {
		return text
	}
	return string(unicode.ToLower(r)) + text[n:]
}

// compile reads a phrase with its placeholders.
func compile(phrase string) (form, error) {
	var f form
	for {
		before, rest, ok := strings.Cut(phrase, "{")
		if before != "" {
			f = append(f, part{text: before})
		}
		if !ok {
			break
		}
		inside, after, ok := strings.Cut(rest, "}")
		name, noun, _ := strings.Cut(inside, "@")
		if !ok || name == "" || !strings.ContainsRune("ndbtwx", rune(name[0])) {
			return nil, fmt.Errorf("no placeholder: {%s", rest)
		}
		f = append(f, part{kind: name[0], name: name, noun: noun})
		phrase = after
	}
	if len(f) == 0 {
		return nil, fmt.Errorf("an empty phrase")
	}
	return f, nil
}
