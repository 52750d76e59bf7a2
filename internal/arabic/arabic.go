// Package arabic gives the console's pages in Arabic. Pages are written once, in
// English; what is rendered is translated by phrase on its way out, so that no page
// knows of languages, and a text that the catalogue lacks stays English.
//
// The catalogue is phrases/*.txt: one phrase a line, English → Arabic.
package arabic

import (
	"bytes"
	"embed"
	"fmt"
	"html"
	"io"
	"strings"
	"sync"
)

//go:embed phrases/*.txt
var phrases embed.FS

// Translator holds the catalogue, compiled. It is safe for use by many at once.
type Translator struct {
	exact    map[string]form      // phrases without placeholders
	patterns map[string][]pattern // by their first word, or by the class of what they begin with
	nouns    map[string][]string  // counted nouns: one, two, few, many, other

	mu   sync.Mutex
	old  map[question]answer // what was asked before what is in seen
	seen map[question]answer
}

// question is a text with the name of the cell or field that it stands in.
type question struct{ place, text string }

// answer is what a text came to; done is false where the catalogue has nothing.
type answer struct {
	text string
	done bool
}

// remembered bounds what is remembered of the texts that were asked for: twice as
// many answers are kept at most.
const remembered = 4096

// longest is the longest text that is looked at: longer ones are documents.
const longest = 2000

// New compiles the catalogue. It fails where a line of it cannot be read.
func New() (*Translator, error) {
	t := &Translator{
		exact: make(map[string]form), patterns: make(map[string][]pattern),
		nouns: make(map[string][]string), seen: make(map[question]answer),
	}
	files, err := phrases.ReadDir("phrases")
	if err != nil {
		return nil, fmt.Errorf("open the catalogue: %w", err)
	}
	for _, f := range files {
		text, err := phrases.ReadFile("phrases/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		if err := t.load(string(text)); err != nil {
			return nil, fmt.Errorf("catalogue %s: %w", f.Name(), err)
		}
	}
	t.finish()
	return t, nil
}

// HTML writes page, or a part of one, in Arabic and from right to left. Markup stays
// as it is, byte for byte; texts, and those attributes that people read, change.
//
// Left alone is what is nobody's words: all within bdi, code, pre, kbd, samp, script,
// style and textarea, within class mono, translate="no" and an element with a lang of
// its own. translate="yes" takes an element in again.
func (t *Translator) HTML(w io.Writer, page []byte) error {
	s := scanner{t: t, in: page}
	s.out.Grow(len(page) + len(page)/4)
	s.run()
	if _, err := w.Write(s.out.Bytes()); err != nil {
		return fmt.Errorf("write the page in Arabic: %w", err)
	}
	return nil
}

// within translates a text that stands in a cell or a field of the given name.
func (t *Translator) within(place, text string) (string, bool) {
	if len(text) > longest || !worthwhile(text) {
		return text, false
	}
	key := question{place, text}
	if a, ok := t.recall(key); ok {
		return a.text, a.done
	}
	trimmed := strings.Join(strings.Fields(text), " ")
	a := answer{text: text}
	if place != "" {
		if f, ok := t.exact[place+"|"+trimmed]; ok {
			a = answer{f.fill(t, nil), true}
		}
	}
	if !a.done {
		if out, ok := t.phrase(trimmed, 0); ok {
			a = answer{out, true}
		}
	}
	t.remember(key, a)
	return a.text, a.done
}

// worthwhile tells whether there is anything to translate.
func worthwhile(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}) >= 0
}

func (t *Translator) recall(key question) (answer, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.seen[key]
	if !ok {
		if a, ok = t.old[key]; ok {
			t.seen[key] = a
		}
	}
	return a, ok
}

func (t *Translator) remember(key question, a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= remembered {
		t.old, t.seen = t.seen, make(map[question]answer, remembered)
	}
	t.seen[key] = a
}

// put writes a text node, or the value of an attribute, in Arabic; raw is as it
// stands in the page.
func (s *scanner) put(raw []byte) {
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) == 0 || len(trimmed) > 2*longest {
		s.out.Write(raw)
		return
	}
	text := string(trimmed)
	if strings.IndexByte(text, '&') >= 0 {
		text = html.UnescapeString(text)
	}
	out, ok := s.t.within(s.place(), text)
	switch {
	case ok && ascii(out):
		out = "\u200f" + out // isolated by itself it would be read from the left
	case !ok && alien(text):
		out = isolate(text)
	case !ok:
		s.out.Write(raw)
		return
	}
	start := bytes.Index(raw, trimmed)
	s.out.Write(raw[:start])
	s.out.WriteString(html.EscapeString(out))
	s.out.Write(raw[start+len(trimmed):])
}

// ascii tells whether an Arabic text begins with a letter that is not.
func ascii(text string) bool {
	first := strings.TrimLeft(text, "\u2068\"<(")
	if first == "" {
		return false
	}
	c := first[0] | 0x20
	return c >= 'a' && c <= 'z' && strings.IndexFunc(text, func(r rune) bool { return r >= 0x600 && r < 0x700 }) >= 0
}

// alien tells whether an untranslated text is a sentence of another script, whose
// points and brackets would otherwise go to the wrong end of the line.
func alien(text string) bool {
	return strings.ContainsAny(text, " ") && strings.IndexFunc(text, func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}) >= 0
}

// isolate keeps the direction of a text from that of what is around it.
func isolate(text string) string {
	if strings.HasPrefix(text, "\u2068") {
		return text
	}
	return "\u2068" + text + "\u2069"
}
