package web

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/arabic"
	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// look is how somebody looks at the console.
type look struct {
	role            store.Role
	theme, language string
	width           int64
	axe             string // which rules of axe-core are asked: all, contrastAlone, or none
	variants        bool   // also the variants of pages are looked at
}

func (l look) String() string {
	return fmt.Sprintf("%s-%s-%s-%d", l.role, l.theme, l.language, l.width)
}

// Which rules of axe-core are asked: contrastAlone is what depends on the theme.
const (
	allRules, contrastAlone, none = "all", "color-contrast", ""
)

// looks are four in which every two of theme, language and width meet, with each role
// in one at least. MATRIX=full gives all.
func looks() []look {
	if os.Getenv("MATRIX") == "full" {
		var all []look
		for _, role := range []store.Role{store.RoleAdmin, store.RoleOperator, store.RoleViewer} {
			for _, theme := range []string{"light", "dark"} {
				for _, language := range []string{"en", "ar"} {
					for _, width := range []int64{1440, 390} {
						all = append(all, look{role, theme, language, width, allRules, true})
					}
				}
			}
		}
		return all
	}
	return []look{
		{store.RoleAdmin, "light", "en", 1440, allRules, true},
		{store.RoleAdmin, "dark", "ar", 1440, allRules, false},
		{store.RoleOperator, "dark", "en", 390, none, false},
		{store.RoleViewer, "light", "ar", 390, none, false},
	}
}

// The limits that every page keeps.
const (
	mostBytes = 150_000
	mostShift = 0.02
	mostPaint = 20_000 // milliseconds: the machine is shared, and the race detector slows it
)

// Every page of the console that the router knows, in Chromium: as each role, light
// and dark, in English and Arabic, wide and on a phone. It is small, nothing goes wrong
// in the console, nothing breaks the policy, nothing moves, nothing is wider than the
// window, what has the focus shows it, axe-core finds nothing serious, and a viewer
// is offered no act. A picture of each is kept.
func TestEveryPageInABrowser(t *testing.T) {
	t.Parallel()
	w := newCampus(t)
	cookies := map[store.Role]string{}
	for _, role := range []store.Role{store.RoleViewer, store.RoleOperator, store.RoleAdmin} {
		cookies[role] = w.as(role)
	}
	variants := w.variants()
	pages := w.walk(cookies[store.RoleAdmin], variants)
	usual := slices.DeleteFunc(slices.Clone(pages), func() func(sight) bool {
		seen := map[string]bool{}
		return func(p sight) bool {
			bare, _, _ := strings.Cut(p.path, "?")
			pattern := patternOf(w.h, http.MethodGet, bare)
			was := seen[pattern]
			seen[pattern] = true
			return was
		}
	}())
	t.Logf("%d pages, %d with their variants", len(usual), len(pages))
	if len(usual) < 20 {
		t.Fatalf("only %d pages were found", len(usual))
	}
	chromium := browsertest.Start(t)
	var mu sync.Mutex
	var paints []float64
	biggest := browsertest.Measured{}

	t.Run("looks", func(t *testing.T) {
		for _, l := range looks() {
			t.Run(l.String(), func(t *testing.T) {
				t.Parallel()
				tab := chromium.Tab(t)
				tab.Look(l.theme, l.width)
				for _, c := range []string{cookies[l.role], "language=" + l.language, "theme=" + l.theme} {
					tab.Cookie(w.server.URL, c)
				}
				shown := usual
				if l.variants {
					shown = pages
				}
				times, lengths := spoken(t, l.language, ages()), spoken(t, l.language, lengths())
				for _, p := range shown {
					m := see(t, tab, w.server.URL, p, l)
					if l.width > 1000 { // narrower, a row is a card
						for _, moved := range tab.Steady(times, lengths) {
							t.Errorf("%s %s: %s", p.name, p.path, moved)
						}
					}
					mu.Lock()
					paints = append(paints, m.Paint)
					if m.Bytes > biggest.Bytes {
						biggest = m
					}
					mu.Unlock()
				}
				tab.Asked(w.server.URL)
			})
		}
	})
	slices.Sort(paints)
	if len(paints) > 0 {
		t.Logf("first content is painted after %.0f ms (median), %.0f ms (of ten the slowest); the biggest page has %d bytes: %s",
			paints[len(paints)/2], paints[len(paints)*9/10], biggest.Bytes, strings.Join(biggest.Loaded, ", "))
	}
}

// see looks at one page, and judges it.
func see(t *testing.T, tab *browsertest.Tab, base string, p sight, l look) browsertest.Measured {
	t.Helper()
	before := len(tab.Faults())
	tab.Visit(base + p.path)
	m := tab.Measure()
	name := p.name + " " + p.path
	// The walk was an admin's: others may not see all of it, and have no such passkey.
	refused := l.role != store.RoleAdmin && (m.Status == http.StatusForbidden || m.Status == http.StatusNotFound && strings.HasPrefix(p.path, passkeysPath+"/"))
	if m.Status != http.StatusOK && !refused {
		t.Errorf("%s: status %d", name, m.Status)
	}
	if l.language == "en" && !refused && !strings.Contains(m.Text, p.shows) {
		t.Errorf("%s does not say %q: %s", name, p.shows, m.Text)
	}
	if want := map[string]string{"en": "ltr", "ar": "rtl"}[l.language]; m.Lang != l.language || m.Dir != want {
		t.Errorf("%s is in %q, %q; want %q, %q", name, m.Lang, m.Dir, l.language, want)
	}
	if m.Scripts != 1 {
		t.Errorf("%s has %d scripts, want its own alone", name, m.Scripts)
	}
	if m.Wide > 0 {
		t.Errorf("%s is %d pixels wider than its window", name, m.Wide)
	}
	if m.Bytes > mostBytes {
		t.Errorf("%s loads %d bytes, more than %d: %s", name, m.Bytes, mostBytes, strings.Join(m.Loaded, ", "))
	}
	if m.Shift > mostShift {
		t.Errorf("%s shifts by %.3f: %q", name, m.Shift, m.Shifted)
	}
	if m.Paint == 0 || m.Paint > mostPaint {
		t.Errorf("%s is first painted after %.0f ms", name, m.Paint)
	}
	for _, e := range m.Unseen {
		t.Errorf("%s: whether this has the focus cannot be seen: %s", name, e)
	}
	if l.role == store.RoleViewer {
		for _, action := range m.Forms {
			if !ownAct(action) {
				t.Errorf("%s offers a viewer %s", name, action)
			}
		}
	}
	var rules []string
	if l.axe == contrastAlone {
		rules = []string{contrastAlone}
	}
	if l.axe != none {
		for _, f := range tab.Axe(rules...) {
			t.Errorf("%s: axe-core: %s", name, f)
		}
	}
	tab.Shoot(p.name)
	for _, f := range tab.Faults()[before:] {
		if !refused || !strings.Contains(f, fmt.Sprint(m.Status)) {
			t.Errorf("%s: console: %s", name, f)
		}
	}
	return m
}

// ages are what a time may say while it counts on.
func ages() []string {
	var said []string
	for _, age := range []time.Duration{
		0, 9 * time.Second, 59 * time.Second, time.Minute, 59 * time.Minute, time.Hour, 2 * time.Hour, 23 * time.Hour, 24 * time.Hour, 29 * 24 * time.Hour,
	} {
		said = append(said, templates.NewMoment(noon, noon.Add(age), nil).Rel)
	}
	return said
}

// lengths are what something may say of how long it goes on.
func lengths() []string {
	var said []string
	for _, d := range []time.Duration{
		100 * time.Millisecond, 9900 * time.Millisecond, 59 * time.Second, time.Minute, time.Hour - time.Second, time.Hour, 24*time.Hour - time.Minute, 29*24*time.Hour + 23*time.Hour,
	} {
		said = append(said, templates.Duration(d))
	}
	return said
}

// spoken gives texts as a language says them.
func spoken(t *testing.T, language string, texts []string) []string {
	t.Helper()
	if language == "en" {
		return texts
	}
	in, err := arabic.New()
	if err != nil {
		t.Fatal(err)
	}
	said := make([]string, len(texts))
	for i, text := range texts {
		var b strings.Builder
		if err := in.HTML(&b, []byte(text)); err != nil {
			t.Fatal(err)
		}
		said[i] = b.String()
	}
	return said
}

// ownAct tells whether an act is about whoever does it alone.
func ownAct(action string) bool {
	for _, own := range []string{"/admin/theme", "/admin/language", "/admin/sign-out", "/admin/account"} {
		if action == own || strings.HasPrefix(action, own+"/") {
			return true
		}
	}
	return false
}
