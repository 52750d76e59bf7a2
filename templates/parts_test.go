package templates

import (
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
)

// html renders a component and parses what came out.
func html(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	var b strings.Builder
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// No part has what the content policy forbids, and every state has its word.
func TestPartsKeepThePolicy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]templ.Component{"parts": inPage(Frame{Me: "a@example.com"}, galleryParts()), "lists": inPage(Frame{}, galleryLists())} {
		doc := html(t, c)
		if n := doc.Find("[style], style, script:not([src])").Length(); n > 0 {
			t.Errorf("%s: %d inline styles or scripts", name, n)
		}
		doc.Find("*").Each(func(_ int, s *goquery.Selection) {
			for _, a := range s.Nodes[0].Attr {
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: <%s> has %s", name, s.Nodes[0].Data, a.Key)
				}
			}
		})
		doc.Find("button:not([aria-label]), a:not([aria-label])").Each(func(_ int, s *goquery.Selection) {
			if strings.TrimSpace(s.Text()) == "" {
				t.Errorf("%s: a button or link without a name", name)
			}
		})
		doc.Find("form input:not([type=hidden]):not([aria-label])").Each(func(_ int, s *goquery.Selection) {
			if id, _ := s.Attr("id"); doc.Find("label[for="+id+"]").Length() == 0 {
				t.Errorf("%s: the field %q has no label", name, s.AttrOr("name", ""))
			}
		})
	}
}

func TestWhen(t *testing.T) {
	t.Parallel()
	doc := html(t, When(Moment{Rel: "3 min ago", Exact: "14 Nov 2025, 14:02:11 GMT+3", ISO: "2025-11-14T11:02:11Z"}))
	when := doc.Find("time")
	if when.Text() != "3 min ago" || when.AttrOr("title", "") != "14 Nov 2025, 14:02:11 GMT+3" || when.AttrOr("datetime", "") != "2025-11-14T11:02:11Z" {
		t.Errorf("time is %q %v", when.Text(), when.Nodes[0].Attr)
	}
	if got := html(t, When(Moment{})).Text(); got != "–" {
		t.Errorf("no time is %q", got)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	shapes := map[string]string{}
	for _, kind := range []string{Well, Wait, Broken, Off, Run} {
		doc := html(t, Status(kind, "the word"))
		if !strings.Contains(doc.Find(".status."+kind).Text(), "the word") {
			t.Errorf("%s has no word", kind)
		}
		shape, err := doc.Find("svg").Html()
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := shapes[shape]; taken {
			t.Errorf("%s and %s have the same shape", kind, other)
		}
		shapes[shape] = kind
	}
	if html(t, Status("nonsense", "x")).Find(".status.off").Length() != 1 {
		t.Error("a kind that is none is not off")
	}
}

func TestAct(t *testing.T) {
	t.Parallel()
	plain := html(t, Act(ActView{Action: "/admin/x", Label: "Retry", Hidden: map[string]string{"step": "seed"}}))
	if f := plain.Find("form"); f.AttrOr("method", "") != "post" || f.AttrOr("action", "") != "/admin/x" || f.Find("input[name=step]").AttrOr("value", "") != "seed" {
		t.Error("an act does not post its form")
	}
	asks := html(t, Act(ActView{Action: "/admin/x", Label: "Suspend", Confirm: "yes", ConfirmWord: "Palm"}))
	if asks.Find("form").AttrOr("method", "") != "get" {
		t.Error("an act that asks first does not lead to its page")
	}
	off := html(t, Act(ActView{Action: "/admin/x", Label: "Retry", Why: "nothing failed"}))
	why := off.Find("#" + off.Find("button").AttrOr("aria-describedby", "none"))
	if off.Find("form").Length() != 0 || why.Text() != "nothing failed" {
		t.Error("an act that can't be done does not say why")
	}
	one := html(t, Act(ActView{Action: "/admin/x", Label: "Pause", Of: "imports"}))
	if got := one.Find("button").AttrOr("aria-label", ""); got != "Pause imports" || one.Find("button").Text() != "Pause" {
		t.Errorf("an act of one among many is called %q", got)
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	doc := html(t, Confirm(ConfirmView{
		Title: "Suspend <b>", Word: "متجر <script>", Error: "That is not the name.",
		Act: ActView{Action: "/admin/x", Label: "Suspend", Danger: true}, Back: "/admin",
	}))
	if doc.Find("h1 b, script").Length() != 0 {
		t.Error("a name became markup")
	}
	field := doc.Find("input[name=confirm]")
	if field.Length() != 1 || field.AttrOr("aria-invalid", "") != "true" || doc.Find("#"+field.AttrOr("aria-describedby", "none")).Length() != 1 {
		t.Error("the field does not say what is wrong with it")
	}
	if doc.Find("form").AttrOr("method", "") != "post" {
		t.Error("the page does not post")
	}
}

func TestFrame(t *testing.T) {
	t.Parallel()
	doc := html(t, inPage(Frame{
		Title: "<script>", Section: "events", Path: "/admin/events?q=1", Me: "op@example.com", Theme: "dark", Live: "/admin/events/live",
		Strip: []Notice{{Kind: Wait, Text: "Redis answers slowly", Href: "/admin"}},
	}, templ.Raw(`<p id="content">x</p>`)))
	checks := map[string]bool{
		"the content is in main":        doc.Find("main #content").Length() == 1,
		"a title is text":               doc.Find("title").Text() == "<script> · wosool",
		"one section is current":        doc.Find("nav [aria-current=page]").Text() == "Events",
		"the theme":                     doc.Find("html").AttrOr("data-theme", "") == "dark",
		"the theme's form comes back":   doc.Find(".theme input[name=back]").AttrOr("value", "") == "/admin/events?q=1",
		"the stream":                    doc.Find("body").AttrOr("data-stream", "") == "/admin/events/live",
		"the strip":                     strings.Contains(doc.Find(".strip li.wait").Text(), "Redis answers slowly"),
		"the search":                    doc.Find("form[action='/admin/search'] input[name=q]").Length() == 1,
		"sign out posts":                doc.Find("form[action='/admin/sign-out'][method=post]").Length() == 1,
		"a link leads past the bar":     doc.Find("a.skip[href='#main']").Length() == 1 && doc.Find("main#main").Length() == 1,
		"every key of the list is true": doc.Find("[data-go]").Length() == 7,
	}
	for what, ok := range checks {
		if !ok {
			t.Errorf("it does not hold that: %s", what)
		}
	}
	nobody := html(t, inPage(Frame{Title: "Sign in"}, templ.Raw("")))
	if nobody.Find("nav, form[action='/admin/search'], .strip").Length() != 0 {
		t.Error("who is not signed in sees the navigation")
	}
}

func TestLadderSaysWhatToDo(t *testing.T) {
	t.Parallel()
	doc := html(t, Ladder([]StepView{
		{Name: "store", Status: "done", Kind: Well, Took: "120 ms"},
		{Name: "seed", Status: "failed", Kind: Broken, Error: "it broke", Todo: "Mend it.", Act: &ActView{Action: "/x", Label: "Retry"}},
	}))
	if doc.Find("ol.ladder > li").Length() != 2 || doc.Find("li.broken").Length() != 1 {
		t.Error("the steps are not there")
	}
	if text := doc.Find(".trouble.broken").Text(); !strings.Contains(text, "it broke") || !strings.Contains(text, "Mend it.") {
		t.Errorf("the trouble says %q", text)
	}
	if doc.Find(".trouble form[action='/x']").Length() != 1 {
		t.Error("the trouble has no button")
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	if got := html(t, Progress(ProgressView{Percent: 42})).Find("progress").AttrOr("value", ""); got != "42" {
		t.Errorf("the bar is at %q", got)
	}
	if html(t, Progress(ProgressView{Percent: -1})).Find("progress").Length() != 0 {
		t.Error("what is not known has a bar")
	}
}
