package web

import (
	"fmt"
	"strings"
	"testing"
)

// readYAML reads the part of YAML that docs/openapi.yaml keeps to: block maps and
// lists, flow lists, quoted and plain scalars, folded texts. What is beyond that
// fails the test, so that nothing is read wrongly without a word.
func readYAML(t *testing.T, text string) map[string]any {
	t.Helper()
	r := &yamlReader{}
	for i, line := range strings.Split(text, "\n") {
		if body := strings.TrimLeft(line, " "); body != "" && !strings.HasPrefix(body, "#") {
			r.lines = append(r.lines, yamlLine{number: i + 1, indent: len(line) - len(body), body: strings.TrimRight(body, " ")})
		}
	}
	v, err := r.block(0)
	if err == nil && r.at < len(r.lines) {
		err = fmt.Errorf("line %d: its indentation fits nothing", r.lines[r.at].number)
	}
	if err != nil {
		t.Fatalf("read YAML: %v", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		t.Fatal("read YAML: the document is not a map")
	}
	return m
}

type yamlLine struct {
	number, indent int
	body           string
}

type yamlReader struct {
	lines []yamlLine
	at    int
}

// block reads the map or list whose lines have the indentation.
func (r *yamlReader) block(indent int) (any, error) {
	if strings.HasPrefix(r.lines[r.at].body, "- ") {
		return r.list(indent)
	}
	return r.mapping(indent)
}

func (r *yamlReader) list(indent int) (any, error) {
	var list []any
	for r.at < len(r.lines) && r.lines[r.at].indent == indent {
		line := &r.lines[r.at]
		rest, ok := strings.CutPrefix(line.body, "- ")
		if !ok {
			break
		}
		if key, _, isMap := cutKey(rest); isMap && key != "" {
			line.indent, line.body = indent+2, rest // the map begins in the item's own line
			v, err := r.mapping(indent + 2)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
			continue
		}
		v, err := scalar(rest, line.number)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		r.at++
	}
	return list, nil
}

func (r *yamlReader) mapping(indent int) (any, error) {
	m := map[string]any{}
	for r.at < len(r.lines) && r.lines[r.at].indent == indent {
		line := r.lines[r.at]
		key, rest, ok := cutKey(line.body)
		if !ok {
			return nil, fmt.Errorf("line %d: no key", line.number)
		}
		if _, had := m[key]; had {
			return nil, fmt.Errorf("line %d: the key %s is there already", line.number, key)
		}
		r.at++
		v, err := r.value(rest, indent, line.number)
		if err != nil {
			return nil, err
		}
		m[key] = v
	}
	return m, nil
}

// value reads what follows a key.
func (r *yamlReader) value(rest string, indent, number int) (any, error) {
	deeper := r.at < len(r.lines) && r.lines[r.at].indent > indent
	switch {
	case rest == ">-":
		var words []string
		for r.at < len(r.lines) && r.lines[r.at].indent > indent {
			words = append(words, r.lines[r.at].body)
			r.at++
		}
		return strings.Join(words, " "), nil
	case rest == "" && deeper:
		return r.block(r.lines[r.at].indent)
	case deeper:
		return nil, fmt.Errorf("line %d: a value in its line and below it", number)
	}
	return scalar(rest, number)
}

// cutKey splits "key: value" and "key:"; a key may be quoted.
func cutKey(body string) (key, rest string, ok bool) {
	if quoted, found := strings.CutPrefix(body, `"`); found {
		key, rest, ok = strings.Cut(quoted, `":`)
		return key, strings.TrimSpace(rest), ok
	}
	if strings.HasSuffix(body, ":") {
		return strings.TrimSuffix(body, ":"), "", true
	}
	key, rest, ok = strings.Cut(body, ": ")
	return key, strings.TrimSpace(rest), ok
}

func scalar(text string, number int) (any, error) {
	switch {
	case text == "null":
		return nil, nil
	case strings.HasPrefix(text, "["):
		inner, ok := strings.CutSuffix(text[1:], "]")
		if !ok {
			return nil, fmt.Errorf("line %d: a list over several lines", number)
		}
		list := []any{}
		for item := range strings.SplitSeq(inner, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			v, err := scalar(item, number)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case strings.HasPrefix(text, `"`):
		inner, ok := strings.CutSuffix(text[1:], `"`)
		if !ok {
			return nil, fmt.Errorf("line %d: a quote that does not end", number)
		}
		return inner, nil
	case strings.ContainsAny(text[:min(1, len(text))], "{&*|>!'%@`"), strings.Contains(text, ": "), strings.Contains(text, " #"):
		return nil, fmt.Errorf("line %d: YAML that this reader does not know", number)
	}
	return text, nil
}
