package web

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"

	"github.com/wosool/wosool/internal/store"
)

// queuesPage is Asynqmon's one page with a blank where each request's nonce goes.
type queuesPage string

// The blanks of a queuesPage. No page of Asynqmon has such runs.
const (
	blankNonce = "@@nonce@@"
	blankTheme = "@@theme@@"
	blankFont  = "@@font@@"
	blankLook  = "@@look@@" // what Asynqmon takes for looking only: true or false
	blankNote  = "@@note@@"
)

var (
	foreignLink = regexp.MustCompile(`<link[^>]+href="https?://[^>]*>`)
	manifest    = regexp.MustCompile(`<link rel="manifest"[^>]*>`)
)

// newQueuesPage rewrites the page so that it runs under a policy without
// unsafe-inline and asks nobody but this server: the links to Google's fonts go
// (its icons are drawings; the family it asks for is Roboto, for which the
// system's own stands in), the web manifest, which browsers fetch without
// cookies, goes too, every script gets the nonce, and so do, by the meta
// element that its style library reads, the styles that it makes as it runs.
// Who only looks is told so, and Asynqmon offers them no acts.
func newQueuesPage(html []byte) queuesPage {
	p := foreignLink.ReplaceAllString(string(html), "")
	p = manifest.ReplaceAllString(p, "")
	p = strings.ReplaceAll(p, "<script", `<script nonce="`+blankNonce+`"`)
	p = strings.Replace(p, "<html lang=\"en\">", `<html lang="en" data-theme="`+blankTheme+`">`, 1)
	p = strings.Replace(p, "<head>", "<head>"+queuesHead, 1)
	p = strings.Replace(p, `FLAG_READ_ONLY="false"`, `FLAG_READ_ONLY="`+blankLook+`"`, 1)
	return queuesPage(strings.Replace(p, "<body>", "<body>"+queuesBody, 1))
}

// queuesHead comes before Asynqmon's own scripts: it hands the console's theme
// to Asynqmon's settings, 1 for dark, 2 for light, 0 for the system's, and folds
// its navigation where that would take half of the screen.
const queuesHead = `<meta property="csp-nonce" content="` + blankNonce + `"/>` +
	`<style nonce="` + blankNonce + `">` + queuesStyle + `</style>` +
	`<script nonce="` + blankNonce + `">` + queuesTheme + `</script>`

const queuesTheme = `try{var k="asynqmon:state",s=JSON.parse(localStorage.getItem(k)||"{}");` +
	`s.settings=Object.assign(s.settings||{},{themePreference:{dark:1,light:2}[document.documentElement.dataset.theme]||0},` +
	`innerWidth<700?{isDrawerOpen:false}:{});` +
	`localStorage.setItem(k,JSON.stringify(s))}catch(e){}`

const queuesStyle = `:root{--back:#1d4ed8}` +
	`@media(prefers-color-scheme:dark){:root:not([data-theme=light]){--back:#b6ccff;background:#424242}}` +
	`:root[data-theme=dark]{--back:#b6ccff;background:#424242}` +
	`@font-face{font-family:Roboto;font-weight:100 500;src:url(` + blankFont + `) format("woff2")}` +
	`#back{position:fixed;inset-block-start:14px;inset-inline-end:20px;z-index:1250;padding:7px 10px;border-radius:6px;` +
	`font:500 14px/1.45 Roboto,Helvetica,Arial,sans-serif;color:var(--back);text-decoration:none}` +
	`#look{position:fixed;inset-block-end:12px;inset-inline-end:20px;z-index:1250;margin:0;padding:7px 10px;border-radius:6px;` +
	`font:14px/1.45 Roboto,Helvetica,Arial,sans-serif;background:#1f2937;color:#fff}` +
	`#back:hover{text-decoration:underline}#back:focus-visible{outline:2px solid var(--back)}` +
	`@media(max-width:700px){#back{inset-inline-end:4px}#root .MuiGrid-grid-xs-6{flex-basis:100%;max-width:100%}` +
	`#root .MuiGrid-grid-xs-2,#root .MuiGrid-grid-xs-3{flex-basis:50%;max-width:50%}#root pre{max-width:44vw!important;overflow-x:auto}}`

const queuesBody = `<a id="back" href="/admin/lanes">← Wosool console</a>` + blankNote

// queuesLook is said to who only looks.
const queuesLook = `<p id="look" role="note">You look only: acts need the role operator. Ask an admin.</p>`

// write answers the page, in the console's theme and with the font at an address
// of ours, under a policy whose nonce is this answer's alone. To who may not act it
// is for looking only; that their acts are refused is not left to it.
func (p queuesPage) write(w http.ResponseWriter, r *http.Request, font string) error {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self' 'nonce-"+nonce+"'; "+
		"style-src 'self' 'nonce-"+nonce+"'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "+
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	look, note := "false", ""
	if !operatorOf(r.Context()).Role.Covers(store.RoleOperator) {
		look, note = "true", queuesLook
	}
	_, _ = strings.NewReplacer( // where it fails the browser has gone: nothing to answer to
		blankNonce, nonce, blankTheme, themeOf(r), blankFont, font, blankLook, look, blankNote, note,
	).WriteString(w, string(p))
	return nil
}
