package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// The language is what the browser was set to, else what it likes best.
func TestPreferredLanguage(t *testing.T) {
	t.Parallel()
	for accepted, want := range map[string]string{
		"":                              "en",
		"ar":                            "ar",
		"ar-SA,ar;q=0.9,en;q=0.8":       "ar",
		"en-GB,en;q=0.9,ar;q=0.8":       "en",
		"en;q=0.5, AR-EG;q=0.7":         "ar",
		"fr,ar;q=0.9":                   "en",
		"ar;q=0":                        "en",
		"ar;q=what":                     "en",
		"arc":                           "en",
		"*":                             "en",
		"ar,en":                         "ar",
		"en,ar":                         "en",
		strings.Repeat("ar;q=0.1,", 50): "ar",
	} {
		if got := preferred(accepted); got != want {
			t.Errorf("%q: %s, want %s", accepted, got, want)
		}
	}
}

// Anybody may set the language, also before the sign-in; the page is led back to.
func TestLanguage(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.7")
	page := b.get("/admin/sign-in")
	if got := page.Header.Get("Content-Language"); got != "en" {
		t.Errorf("nobody asked for Arabic: %q", got)
	}
	form := pageOf(t, page).Find("form.language")
	if got := form.Find("button").AttrOr("value", ""); got != "ar" {
		t.Errorf("the switch leads to %q", got)
	}
	set := b.post("/admin/language", "language", "ar", "back", "/admin/sign-in?next=%2Fadmin%2Fevents")
	if set.Code != http.StatusSeeOther || set.Header.Get("Location") != "/admin/sign-in?next=%2Fadmin%2Fevents" {
		t.Errorf("set: %d to %q", set.Code, set.Header.Get("Location"))
	}
	if c := set.cookies(); len(c) != 1 || c[0].Name != "language" || c[0].Value != "ar" || c[0].Path != "/admin" || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("the cookie is %v", c)
	}
	if got := b.post("/admin/language", "language", "fr"); got.Code != http.StatusUnprocessableEntity && got.Code != http.StatusBadRequest {
		t.Errorf("French: %d", got.Code)
	}
	if got := b.post("/admin/language", "language", "en", "back", "https://elsewhere.example/"); got.Header.Get("Location") != "/admin" {
		t.Errorf("led to %q", got.Header.Get("Location"))
	}
}

// A page, an error, a notice, a confirmation and a stream are all in the language.
func TestWhatIsAnsweredInArabic(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Ready", 5, "ready") // a name that is a word of the console
	d.cookie += "; language=ar"

	doc := d.page(http.StatusOK, tenantHref(id))
	if got := doc.Find("h1").Text(); got != "Ready" {
		t.Errorf("the name became %q", got)
	}
	if got := words(doc.Find("main .status").First()); got != "جاهز" {
		t.Errorf("the state is %q", got)
	}
	if doc.Find("link[rel=preload][as=font][href*=arabic]").Length() == 0 {
		t.Error("the Arabic font is not loaded ahead")
	}
	ask := d.page(http.StatusOK, tenantHref(id)+"/suspend")
	if got := strings.Map(printed, ask.Find("h1").Text()); got != "إيقاف Ready مؤقتًا" {
		t.Errorf("it asks %q", got)
	}
	if got := ask.Find("label strong bdi").Text(); got != "Ready" {
		t.Errorf("what is to be typed became %q", got)
	}
	if got := d.page(http.StatusNotFound, "/admin/nowhere").Find("h1").Text(); got != "لا شيء هنا" {
		t.Errorf("an error says %q", got)
	}
	d.first(tenantHref(id)+"/live", `جاهز`)

	list := d.page(http.StatusOK, "/admin/tenants?q=5")
	if got := words(list.Find("#tenants tbody bdi").First()); got != "Ready" {
		t.Errorf("the list names %q", got)
	}
	if got := list.Find("#tenants .mono").First().Text(); got != "5" {
		t.Errorf("the merchant is %q", got)
	}
}

// The notice of an act is translated when it is shown, so that it is in the language
// of who reads it.
func TestNoticeInArabic(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("متجر النخيل", 5, "suspended")
	var form *goquery.Selection
	d.page(http.StatusOK, tenantHref(id)).Find("form.act").Each(func(_ int, f *goquery.Selection) {
		if strings.HasSuffix(f.AttrOr("action", ""), "/resume") {
			form = f
		}
	})
	if form == nil {
		t.Fatal("no button resumes the store")
	}
	done := d.press(form)
	for _, c := range done.cookies() {
		if c.Name == flashCookie {
			d.cookie += "; " + c.Name + "=" + c.Value
		}
	}
	d.cookie += "; language=ar"
	if got := words(d.page(http.StatusOK, tenantHref(id)).Find(".flash")); got != "استؤنف: تُفتح قاعدة بياناته مجددًا، وما كان ينتظر يُستأنف تلقائيًا." {
		t.Errorf("it says %q", got)
	}
}

// printed leaves out the marks that isolate a text.
func printed(r rune) rune {
	if r == '\u2068' || r == '\u2069' {
		return -1
	}
	return r
}
