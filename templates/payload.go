package templates

import (
	"bytes"
	"encoding/json"
	"strings"
)

// markedBytes bounds what is marked up: longer documents are shown whole but plain.
const markedBytes = 64 << 10

// token is a piece of a document: a key, or what stands between keys.
type token struct {
	Key  bool
	Text string
}

// pretty is the document as it is shown and copied.
func pretty(v PayloadView) string {
	if !v.JSON {
		return v.Text
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(v.Text), "", "  ") != nil {
		return v.Text
	}
	return b.String()
}

// tokens splits a document so that its keys can be told from its values.
func tokens(v PayloadView) []token {
	text := pretty(v)
	if !v.JSON || len(text) > markedBytes || !json.Valid([]byte(text)) {
		return []token{{Text: text}}
	}
	var list []token
	rest := 0 // where the piece that is not a key begins
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		start := i
		for i++; text[i] != '"'; i++ { // the document is valid: strings end
			if text[i] == '\\' {
				i++
			}
		}
		if strings.HasPrefix(text[i+1:], ":") {
			list = append(list, token{Text: text[rest:start]}, token{Key: true, Text: text[start : i+1]})
			rest = i + 1
		}
	}
	return append(list, token{Text: text[rest:]})
}
