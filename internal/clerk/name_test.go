package clerk_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wosool/wosool/internal/clerk"
)

func TestOrganizationName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"متجر الورد":                        "متجر الورد",
		"  Test \n\t Store ":                "Test Store",
		"Shop https://shop.example/x?y=1 !": "Shop !",
		"www.shop.example":                  "Store 42",
		"HTTP://X":                          "Store 42",
		"noon.com":                          "noon com",
		"a.b.c.d":                           "a b c d",
		"متجر.السعودية":                     "متجر السعودية",
		"Shop No. 5, est. 1.5":              "Shop No. 5, est. 1.5",
		"<b>Rose</b><script>":               "Rose",
		"&lt;b&gt;Rose&amp;lt;/b&amp;gt;":   "Rose",
		"Tom &amp; Ada":                     "Tom & Ada",
		"a < b > c":                         "a c",
		"5 > 3":                             "5 3",
		"owner@shop.example shop":           "shop",
		"\u202eevil\u0000\ufeff":            "evil",
		"ht<b></b>tp://x.example":           "ht",
		"":                                  "Store 42",
		"<>":                                "Store 42",
		"\xff\xfe":                          "Store 42",
		strings.Repeat("و", 300):            strings.Repeat("و", 256),
	} {
		if got := clerk.OrganizationName(in, 42); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := clerk.OrganizationName(" ", 0); got != "Store" {
		t.Errorf("without a merchant: got %q", got)
	}
}

func FuzzOrganizationName(f *testing.F) {
	for _, s := range []string{"&am<p;lt;b>", "a.www.b", "x@y http://", "<<b>>", "&#60;b&#x3e;", strings.Repeat("é.", 300), "ﬀ://x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := clerk.OrganizationName(s, 42)
		n := utf8.RuneCountInString(name)
		if n == 0 || n > 256 || !utf8.ValidString(name) || strings.ContainsAny(name, "<>@\n\x00") || strings.Contains(name, "://") {
			t.Errorf("%q gives %q", s, name)
		}
		if again := clerk.OrganizationName(name, 42); again != name {
			t.Errorf("%q gives %q, and that %q", s, name, again)
		}
	})
}
