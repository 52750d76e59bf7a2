package web

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/a-h/templ"
)

// says is a part of a page that is this text.
func says(html string) templ.Component { return templ.Raw(html) }

func shotOf(t *testing.T, last *shot, parts map[string]templ.Component) *shot {
	t.Helper()
	s, err := newShot(t.Context(), parts, last)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A shot has the parts in order, each with the event that brings it on one line; what
// is as it was comes from the last shot.
func TestShotHasWhatTheStreamSends(t *testing.T) {
	t.Parallel()
	first := shotOf(t, nil, map[string]templ.Component{"rows": says("<p>a & b\n</p>"), "chips": says("<b>1</b>")})
	if strings.Join(first.keys, " ") != "chips rows" {
		t.Errorf("keys %v", first.keys)
	}
	if got, want := first.parts["rows"].event, "event: part\ndata: {\"key\":\"rows\",\"html\":\"<p>a & b\\n</p>\"}\n\n"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	second := shotOf(t, first, map[string]templ.Component{"rows": says("<p>c</p>"), "chips": says("<b>1</b>")})
	if second.parts["chips"] != first.parts["chips"] {
		t.Error("a part that did not change is another")
	}
	if second.parts["rows"].still == first.parts["rows"].still || second.parts["rows"].html != "<p>c</p>" {
		t.Error("a part that changed is as before")
	}
}

// A clock that runs on by itself is no change; a time that is another is one, and so is
// whatever stands beside a clock.
func TestClocksAreNoChange(t *testing.T) {
	t.Parallel()
	const at = `<p><time datetime="2026-11-22T12:00:00Z" data-rel>3 s ago</time> done</p>`
	for now, want := range map[string]bool{
		strings.Replace(at, "3 s", "4 s", 1):           true,
		strings.Replace(at, "12:00:00", "12:00:01", 1): false,
		strings.Replace(at, "done", "failed", 1):       false,
		strings.Replace(at, " data-rel", "", 1):        false,
		at + `<time datetime="x">noon</time>`:          false,
	} {
		first := shotOf(t, nil, map[string]templ.Component{"p": says(at)})
		if got := shotOf(t, first, map[string]templ.Component{"p": says(now)}).parts["p"].still == first.parts["p"].still; got != want {
			t.Errorf("%s is the same: %t, want %t", now, got, want)
		}
	}
	for _, odd := range []string{"", "<time ", "<time data-rel>", "<time data-rel>3 s ago", "a < b"} {
		if got := withoutClocks(odd); !strings.HasPrefix(odd, got) {
			t.Errorf("withoutClocks(%q) = %q", odd, got)
		}
	}
}

// A part that can't be rendered is named.
func TestShotNamesThePartThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("no such thing")
	_, err := newShot(t.Context(), map[string]templ.Component{"rows": templ.ComponentFunc(func(context.Context, io.Writer) error { return broken })}, nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "rows") {
		t.Errorf("it says %v", err)
	}
}
