package arabic

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func translator(t testing.TB) *Translator {
	t.Helper()
	tr, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// Texts: whole phrases, those with numbers and names in them, those made of several.
func TestText(t *testing.T) {
	t.Parallel()
	tr := translator(t)
	for english, want := range map[string]string{
		"Ready":                       "جاهز",
		"ready":                       "جاهز",
		"needs re-authorisation":      "يحتاج إعادة التفويض",
		"1 record":                    "سجل واحد",
		"2 records":                   "سجلان",
		"3 records":                   "٣ سجلات",
		"11 records":                  "١١ سجلًا",
		"100 records":                 "١٠٠ سجل",
		"103 records":                 "١٠٣ سجلات",
		"0 records":                   "٠ سجل",
		"13,412 records":              "١٣٬٤١٢ سجلًا",
		"3 min ago":                   "قبل ٣ دقائق",
		"in 1 h":                      "خلال ساعة واحدة",
		"now":                         "الآن",
		"14 Nov":                      "١٤ نوفمبر",
		"14 Nov 2025, 14:02:11 GMT+3": "١٤ نوفمبر ٢٠٢٥، ١٤:٠٢:١١ غرينتش+٣",
		"2 Jan 15:04:05":              "٢ يناير ١٥:٠٤:٠٥",
		"2026-01-31":                  "٣١ يناير ٢٠٢٦",
		"1 m 20 s":                    "١ د ٢٠ ث",
		"0.8 s":                       "٠٫٨ ث",
		"<1 ms":                       "أقل من ١ م.ث",
		"42 %":                        "٤٢٪",
		"≈ 12,000":                    "≈ ١٢٬٠٠٠",
		"2.1 MB":                      "٢٫١ م.ب",
		"1234509876":                  "1234509876", // an id is no count
		"ready in 0.8 s · 13,412 records · plan pro · server a": "جاهز خلال ٠٫٨ ث · ١٣٬٤١٢ سجلًا · الباقة \u2068pro\u2069 · الخادم \u2068a\u2069",
		"suspended, by an operator":                             "موقوف مؤقتًا، بواسطة مشغّل",
		"3 workers run, 1 stopping":                             "٣ عمال قيد التشغيل، قيد التوقف: ١",
		// What nobody knows here keeps its place among sentences that are known, and a name
		// may look like two of them.
		"Not ready: setting it up failed. no room at db:5432. Retry goes on with the first step that is not done.": "غير جاهز: فشل الإعداد. \u2068no room at db:5432.\u2069 إعادة المحاولة تتابع من أول خطوة لم تتم.",
		"Suspend St. Mary Shop?": "إيقاف \u2068St. Mary Shop\u2069 مؤقتًا؟",
		"Salla for the store 7 has not answered since 12:00:00 (HTTP 500). Other stores go on; this one's work waits and goes on by itself. If it stays, ask Salla.": "لا رد من سلة للمتجر \u20687\u2069 منذ ١٢:٠٠:٠٠ (\u2068HTTP 500\u2069). المتاجر الأخرى مستمرة؛ وعمل هذا المتجر ينتظر ثم يُستأنف تلقائيًا. إن استمر الأمر فاسأل سلة.",
		// Two sentences are one phrase, behind another with something in it.
		"orders: Salla counts 12, here are 9 stored and 1 rejected. Everything else is stored. Import again compares it once more.": "الطلبات: تعدّ سلة ١٢، وهنا ٩ مخزَّنة و١ مرفوضة. كل ما عدا ذلك مخزَّن. الاستيراد مجددًا يقارنه مرة أخرى.",
		"Suspend متجر النخيل?":                                               "إيقاف متجر النخيل مؤقتًا؟",
		"the customer's e-mail (\"email\") is missing":                       "عميل: البريد الإلكتروني (\u2068\"email\"\u2069) مفقود",
		"Salla does not answer since 14:02: deliveries are kept, work waits": "سلة لا يستجيب منذ ١٤:٠٢: التسليمات محفوظة والعمل ينتظر",
	} {
		if got, ok := tr.within("", english); !ok || got != want {
			t.Errorf("%q is %q (%t), want %q", english, got, ok, want)
		}
	}
}

// What the catalogue has not stays as it is.
func TestUnknownTextStays(t *testing.T) {
	t.Parallel()
	tr := translator(t)
	for _, text := range []string{"order.created", "Nakheel Store", "نخيل", "", "…", "pq: syntax error", strings.Repeat("long ", 1000)} {
		if got, ok := tr.within("", text); ok || got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// Markup stays byte for byte; words change, and nothing that is a name or data does.
func TestHTML(t *testing.T) {
	t.Parallel()
	tr := translator(t)
	for _, c := range []struct{ name, in, want string }{
		{
			"the document", `<!DOCTYPE html><html lang="en" dir="ltr" data-theme="dark"><title>Tenants · wosool</title>`,
			`<!DOCTYPE html><html lang="ar" dir="rtl" data-theme="dark"><title>المتاجر · ` + "\u2068wosool\u2069" + `</title>`,
		},
		{"blanks and entities", "<p>\n\tIt can&#39;t be done as things are\n</p>", "<p>\n\tلا يمكن ذلك والحال كما هي\n</p>"},
		{"names", `<td><bdi>Ready</bdi> <bdi translate="yes">Ready</bdi></td>`, `<td><bdi>Ready</bdi> <bdi translate="yes">جاهز</bdi></td>`},
		{
			"data", `<code>Ready</code><pre>3 events</pre><kbd>g</kbd><span class="mono small">12</span><textarea>Ready</textarea>`,
			`<code>Ready</code><pre>3 events</pre><kbd>g</kbd><span class="mono small">12</span><textarea>Ready</textarea>`,
		},
		{
			"script", `<script>if (1 < 2) "Ready"</script><style>a::after { content: "Ready" }</style>Ready`,
			`<script>if (1 < 2) "Ready"</script><style>a::after { content: "Ready" }</style>جاهز`,
		},
		{
			"attributes", `<td class="mono" data-label="Merchant"><button title="Copy" data-copy="Ready" value="Ready" aria-label='Copy'>x</button></td>`,
			`<td class="mono" data-label="التاجر"><button title="نسخ" data-copy="Ready" value="Ready" aria-label='نسخ'>x</button></td>`,
		},
		{
			"buttons of forms", `<input type="submit" value="Retry"><input value="Retry" placeholder="Search">`,
			`<input type="submit" value="إعادة المحاولة"><input value="Retry" placeholder="بحث">`,
		},
		{
			"left out", `<a translate="no" title="Ready"><b title="Ready">Ready</b></a><p lang="en">Ready</p>`,
			`<a translate="no" title="Ready"><b title="Ready">Ready</b></a><p lang="en">Ready</p>`,
		},
		{
			"a sense by its place", `<td data-label="Lane">provisioning</td><td data-label="Status">provisioning</td>`,
			`<td data-label="المسار">التجهيز</td><td data-label="الحالة">قيد التجهيز</td>`,
		},
		{"markup in a name is text", `<p>Suspend &lt;script&gt;?</p>`, "<p>إيقاف \u2068&lt;script&gt;\u2069 مؤقتًا؟</p>"},
		{"comments", `<!-- Ready --><br/>Ready<hr>`, `<!-- Ready --><br/>جاهز<hr>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := tr.HTML(&b, []byte(c.in)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever comes in, all of the markup goes out.
func FuzzHTML(f *testing.F) {
	tr := translator(f)
	for _, seed := range []string{`<a href="x>y" title='Copy'>Ready</a>`, `<`, `</`, `<!--`, `<a b=`, `<p translate="no">`, `<script>`, `a < b`, `</p></p>`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, page string) {
		var b strings.Builder
		if err := tr.HTML(&b, []byte(page)); err != nil {
			t.Fatal(err)
		}
		// In a text or a value it may have become &lt;.
		if got, want := strings.Count(b.String(), "<")+strings.Count(b.String(), "&lt;"), strings.Count(page, "<"); got < want {
			t.Errorf("%d of %d tags came through: %q", got, want, b.String())
		}
	})
}

func BenchmarkHTML(b *testing.B) {
	tr := translator(b)
	var page strings.Builder
	page.WriteString(`<!DOCTYPE html><html lang="en" dir="ltr"><body><table>`)
	for i := 0; page.Len() < 150<<10; i++ {
		fmt.Fprintf(&page, `<tr><td class="head grow" data-label="Store"><a class="row" href="/admin/tenants/%[1]d"><bdi>Store %[1]d</bdi></a></td><td class="mono" data-label="Merchant">%[1]d</td><td data-label="Status"><span class="status">Ready</span></td><td class="num" data-label="Records">%[1]d,000</td><td data-label="Last event"><time title="14 Nov 2025, 14:02:%02[2]d UTC" data-rel>%[3]d min ago</time></td><td>is tried again: reason %[1]d of it</td></tr>`, i, i%60, i%60)
	}
	in := []byte(page.String())
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if err := tr.HTML(io.Discard, in); err != nil {
			b.Fatal(err)
		}
	}
}
