package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/a-h/templ"

	"github.com/wosool/wosool/internal/arabic"
)

const languageCookie = "language"

// The languages of the console.
const (
	english  = "en"
	inArabic = "ar"
)

// languageOf is the language that a browser was set to or, where it never was, the
// one that it likes best.
func languageOf(r *http.Request) string {
	if c, err := r.Cookie(languageCookie); err == nil && isLanguage(c.Value) {
		return c.Value
	}
	return preferred(r.Header.Get("Accept-Language"))
}

func isLanguage(name string) bool { return name == english || name == inArabic }

// preferred is the language that a list as browsers send it puts first.
func preferred(accepted string) string {
	best, most := english, 0.0
	for item := range strings.SplitSeq(accepted, ",") {
		tag, weight, weighed := strings.Cut(strings.TrimSpace(item), ";")
		q := 1.0
		if weighed {
			var err error
			if q, err = strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64); err != nil {
				continue
			}
		}
		if q <= most { // of two alike the first
			continue
		}
		name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if name == "" {
			continue
		}
		if most = q; name == inArabic {
			best = inArabic
		} else {
			best = english
		}
	}
	return best
}

// POST /admin/language: the language of this browser, then back to the page.
func (s *Server) setLanguage(w http.ResponseWriter, r *http.Request) error {
	language := r.PostFormValue("language")
	if !isLanguage(language) {
		return invalid("language", "a language is ar or en")
	}
	s.remember(w, r, languageCookie, language)
	return nil
}

// speech has the catalogue, which is compiled when the first page in Arabic is made.
// Its zero value is ready for use.
type speech struct {
	once sync.Once
	in   *arabic.Translator
	err  error
}

func (v *speech) translator() (*arabic.Translator, error) {
	v.once.Do(func() { v.in, v.err = arabic.New() })
	return v.in, v.err
}

// in gives a page, or a part of one, in a language. This is the one place where what
// is rendered is translated.
func (s *Server) in(language string, c templ.Component) templ.Component {
	if language != inArabic {
		return c
	}
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		t, err := s.console.speech.translator()
		if err != nil {
			return err
		}
		var page bytes.Buffer
		if err := c.Render(ctx, &page); err != nil {
			return err
		}
		return t.HTML(w, page.Bytes())
	})
}
