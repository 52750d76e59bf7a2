package arabic

import (
	"bytes"
	"strings"
)

// scanner goes once over a page. It is not a parser: it passes bytes on, and knows of
// elements only which are open. The tokenizer of golang.org/x/net/html does not say
// where in a tag an attribute stands, so tags could not stay byte for byte.
type scanner struct {
	t    *Translator
	in   []byte
	at   int
	out  bytes.Buffer
	open []element
	list []attribute // of the tag at hand
}

// element is one that is open.
type element struct {
	name   string
	still  bool   // the texts in it are left alone
	frozen bool   // the attributes in it, too
	place  string // the name of the cell or field that it is: which sense its words have
}

// attribute is one of a tag; its value stands between from and to.
type attribute struct {
	name     string
	from, to int
}

func (s *scanner) run() {
	for s.at < len(s.in) {
		next := bytes.IndexByte(s.in[s.at:], '<')
		if next < 0 {
			s.text(s.in[s.at:])
			return
		}
		s.text(s.in[s.at : s.at+next])
		s.at += next
		s.tag()
	}
}

func (s *scanner) text(raw []byte) {
	if s.still() {
		s.out.Write(raw)
		return
	}
	s.put(raw)
}

func (s *scanner) still() bool { return len(s.open) > 0 && s.open[len(s.open)-1].still }

func (s *scanner) frozen() bool { return len(s.open) > 0 && s.open[len(s.open)-1].frozen }

func (s *scanner) place() string {
	if len(s.open) == 0 {
		return ""
	}
	return s.open[len(s.open)-1].place
}

// tag takes what begins with < at s.at.
func (s *scanner) tag() {
	rest := s.in[s.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		s.pass(end(rest, "-->"))
		return
	case len(rest) > 1 && (rest[1] == '!' || rest[1] == '?'):
		s.pass(end(rest, ">"))
		return
	case len(rest) > 1 && rest[1] == '/':
		n := end(rest, ">")
		s.close(strings.ToLower(nameAt(rest[2:])))
		s.pass(n)
		return
	}
	name := strings.ToLower(nameAt(rest[1:]))
	if name == "" { // a < that begins nothing
		s.pass(1)
		return
	}
	list, n := attributes(s.list[:0], rest, 1+len(name))
	s.list = list
	s.begin(name, rest[:n], list)
	s.at += n
	if name == "script" || name == "style" {
		s.pass(bytesBefore(s.in[s.at:], "</"+name))
	}
}

// pass copies n bytes.
func (s *scanner) pass(n int) {
	s.out.Write(s.in[s.at : s.at+n])
	s.at += n
}

// begin writes a start tag with those of its attributes in Arabic that people read.
func (s *scanner) begin(name string, raw []byte, list []attribute) {
	el := element{name: name, still: s.still() || verbatim(name), frozen: s.frozen(), place: s.place()}
	button := false
	for _, a := range list {
		value := string(raw[a.from:a.to])
		switch a.name {
		case "translate":
			el.still, el.frozen = value == "no", value == "no"
		case "lang":
			if name != "html" {
				el.still, el.frozen = true, true
			}
		case "class":
			el.still = el.still || hasWord(value, "mono")
		case "type":
			button = name == "input" && (value == "submit" || value == "button" || value == "reset")
		case "data-label":
			el.place = strings.ToLower(value)
		case "name":
			if name == "select" {
				el.place = strings.ToLower(value)
			}
		}
	}
	written := 0
	for _, a := range list {
		value, ok := raw[a.from:a.to], false
		switch {
		case name == "html" && a.name == "lang":
			value, ok = []byte("ar"), true
		case name == "html" && a.name == "dir":
			value, ok = []byte("rtl"), true
		case el.frozen:
		case read(a.name) || button && a.name == "value":
			s.out.Write(raw[written:a.from])
			s.put(value)
			written = a.to
			continue
		}
		if ok {
			s.out.Write(raw[written:a.from])
			s.out.Write(value)
			written = a.to
		}
	}
	s.out.Write(raw[written:])
	if !void(name) && !bytes.HasSuffix(raw, []byte("/>")) {
		s.open = append(s.open, el)
	}
}

// close ends the innermost element of the name, with those in it that nobody ended.
func (s *scanner) close(name string) {
	for i := len(s.open) - 1; i >= 0; i-- {
		if s.open[i].name == name {
			s.open = s.open[:i]
			return
		}
	}
}

// read tells whether people read an attribute.
func read(name string) bool {
	switch name {
	case "title", "aria-label", "aria-description", "aria-valuetext", "aria-roledescription", "placeholder", "alt", "label", "data-label":
		return true
	}
	return strings.HasPrefix(name, "data-say-") // what the script says
}

// verbatim tells whether what is in an element is nobody's words.
func verbatim(name string) bool {
	switch name {
	case "bdi", "code", "pre", "kbd", "samp", "script", "style", "textarea":
		return true
	}
	return false
}

func void(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr":
		return true
	}
	return false
}

// attributes adds the attributes of a start tag to list, and tells how long the tag is.
func attributes(list []attribute, tag []byte, at int) (found []attribute, length int) {
	for at < len(tag) {
		switch c := tag[at]; {
		case c == '>':
			return list, at + 1
		case c == '/' || c <= ' ':
			at++
			continue
		}
		start := at
		for at < len(tag) && tag[at] != '=' && tag[at] != '>' && tag[at] != '/' && tag[at] > ' ' {
			at++
		}
		if at == start { // an equals sign that belongs to nothing
			at++
			continue
		}
		a := attribute{name: strings.ToLower(string(tag[start:at]))}
		if at < len(tag) && tag[at] == '=' {
			at++
			a.from, a.to, at = valueAt(tag, at)
		}
		list = append(list, a)
	}
	return list, len(tag)
}

// valueAt finds the value of an attribute that begins at at, and what is behind it.
func valueAt(tag []byte, at int) (from, to, next int) {
	if at < len(tag) && (tag[at] == '"' || tag[at] == '\'') {
		n := bytes.IndexByte(tag[at+1:], tag[at])
		if n < 0 {
			return at + 1, len(tag), len(tag)
		}
		return at + 1, at + 1 + n, at + 2 + n
	}
	from = at
	for at < len(tag) && tag[at] != '>' && tag[at] > ' ' {
		at++
	}
	return from, at, at
}

func nameAt(text []byte) string {
	n := 0
	for n < len(text) && (text[n] >= 'a' && text[n] <= 'z' || text[n] >= 'A' && text[n] <= 'Z' || n > 0 && (text[n] >= '0' && text[n] <= '9' || text[n] == '-')) {
		n++
	}
	return string(text[:n])
}

// end is how long text is to the end of mark.
func end(text []byte, mark string) int {
	if i := bytes.Index(text, []byte(mark)); i >= 0 {
		return i + len(mark)
	}
	return len(text)
}

func bytesBefore(text []byte, mark string) int {
	if i := bytes.Index(text, []byte(mark)); i >= 0 {
		return i
	}
	return len(text)
}

func hasWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}
