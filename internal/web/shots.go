package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/a-h/templ"
)

// shot is the parts of a page as they were at one moment, ready to be sent. It is
// made once for all who look at the page, and nobody changes it.
type shot struct {
	keys  []string // in order
	parts map[string]shotPart
}

// shotPart is one part of a page.
type shotPart struct {
	html  string
	still string // html without what runs on by itself
	event string // the server-sent event that brings it
}

// newShot renders the parts of a page. What is as it was in the last shot, which may
// be nil, is taken from there.
func newShot(ctx context.Context, parts map[string]templ.Component, last *shot) (*shot, error) {
	s := &shot{keys: slices.Sorted(maps.Keys(parts)), parts: make(map[string]shotPart, len(parts))}
	var b bytes.Buffer
	for _, key := range s.keys {
		b.Reset()
		if err := parts[key].Render(ctx, &b); err != nil {
			return nil, fmt.Errorf("render part %s: %w", key, err)
		}
		var was shotPart
		if last != nil {
			was = last.parts[key]
		}
		if was.event != "" && was.html == b.String() {
			s.parts[key] = was
			continue
		}
		p, err := newPart(key, b.String())
		if err != nil {
			return nil, err
		}
		if p.still == was.still { // one string is quicker to compare with itself
			p.still = was.still
		}
		s.parts[key] = p
	}
	return s, nil
}

func newPart(key, html string) (shotPart, error) {
	var b strings.Builder
	b.WriteString("event: part\ndata: ")
	into := json.NewEncoder(&b) // it ends with a line break
	into.SetEscapeHTML(false)
	if err := into.Encode(struct {
		Key  string `json:"key"`
		HTML string `json:"html"`
	}{key, html}); err != nil {
		return shotPart{}, fmt.Errorf("write part %s: %w", key, err)
	}
	b.WriteString("\n")
	return shotPart{html: html, still: withoutClocks(html), event: b.String()}, nil
}

// withoutClocks leaves out the words of relative times: the page counts them on
// by itself.
func withoutClocks(html string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(html, "<time ")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		tag, after, closed := strings.Cut(rest, ">")
		b.WriteString("<time ")
		b.WriteString(tag)
		if !closed {
			return b.String()
		}
		b.WriteString(">")
		if html = after; strings.Contains(tag, "data-rel") {
			html = after[max(strings.IndexByte(after, '<'), 0):]
		}
	}
}
