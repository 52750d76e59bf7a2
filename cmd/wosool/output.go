package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// print answers v as JSON where that was asked for, else what text writes.
func (a *app) print(v any, text func(w io.Writer)) error {
	if a.json {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	w := tabwriter.NewWriter(a.out, 0, 8, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// row writes the cells of one line of a table.
func row(w io.Writer, cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = strings.Join(strings.Fields(cell(c)), " ")
	}
	fmt.Fprintln(w, strings.TrimRight(strings.Join(texts, "\t"), "\t"))
}

// cell writes one value as people read it: nothing is a dash.
func cell(v any) string {
	text := ""
	switch v := v.(type) {
	case string:
		text = v
	case *string:
		text = valueOr(v, "")
	case *int64:
		if v != nil {
			text = strconv.FormatInt(*v, 10)
		}
	case time.Time:
		text = v.UTC().Format("2006-01-02 15:04:05Z")
	case *time.Time:
		if v != nil {
			text = v.UTC().Format("2006-01-02 15:04:05Z")
		}
	default:
		text = fmt.Sprint(v)
	}
	if text == "" {
		return "-"
	}
	// Names come from outside: they must not steer the terminal.
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func valueOr[T any](v *T, or T) T {
	if v == nil {
		return or
	}
	return *v
}

// number reads a store's number.
func number(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0
}
