package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/wosool/wosool/templates"
)

// static has what the pages load. The fonts are IBM Plex; their licence is beside them.
//
//go:embed static/*.css static/*.js static/*.svg static/fonts/*.woff2
var static embed.FS

// assetRoot is where assets are. Each has a hash of its content in its name, so
// that browsers keep it for ever.
const assetRoot = "/admin/static/"

// assets are the files of static by the name they are served under. Its zero
// value is ready for use.
type assets struct {
	once   sync.Once
	byName map[string]asset
	pages  templates.Assets
	arabic []string // the fonts that Arabic pages load ahead
}

type asset struct {
	kind          string // the media type
	plain, packed []byte // packed is nil where it would not be smaller
}

// page gives the addresses that every page loads.
func (a *assets) page() templates.Assets {
	a.once.Do(a.load)
	return a.pages
}

// pageIn gives the addresses that a page in a language loads. An Arabic page has both
// scripts: names, ids and addresses are in Latin.
func (a *assets) pageIn(language string) templates.Assets {
	all := a.page()
	if language == inArabic {
		all.Fonts = a.arabic
	}
	return all
}

// load hashes the files. A style sheet names its fonts by the names in the
// source; they are replaced by the hashed ones before it is hashed itself.
func (a *assets) load() {
	a.byName = make(map[string]asset)
	hashed := make(map[string]string)
	add := func(name string, content []byte) {
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		as := strings.TrimSuffix(path.Base(name), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byName[as] = newAsset(ext, content)
		hashed[name] = as
	}
	fonts := read("static/fonts")
	var renamed []string
	for _, name := range sorted(fonts) {
		add(name, fonts[name])
		renamed = append(renamed, `"fonts/`+name+`"`, `"`+hashed[name]+`"`)
	}
	files := read("static")
	for _, name := range sorted(files) {
		content := files[name]
		if path.Ext(name) == ".css" {
			content = []byte(strings.NewReplacer(renamed...).Replace(string(content)))
		}
		add(name, content)
	}
	font := func(script, weight string) string {
		return assetRoot + hashed["ibm-plex-"+script+"-"+weight+"-normal.woff2"]
	}
	const latin, arabic, mono = "sans-latin", "sans-arabic-arabic", "mono-latin"
	// What pages are written in, before the style sheet says so: a font that comes after
	// the first layout moves what is there. Stores have names in both scripts.
	a.arabic = []string{font(arabic, "400"), font(arabic, "500"), font(arabic, "600"), font(latin, "400"), font(latin, "500"), font(mono, "400")}
	a.pages = templates.Assets{
		Style:    assetRoot + hashed["console.css"],
		Script:   assetRoot + hashed["console.js"],
		Icon:     assetRoot + hashed["icon.svg"],
		Passkeys: assetRoot + hashed["passkeys.js"],
		Fonts:    []string{font(latin, "400"), font(latin, "500"), font(latin, "600"), font(mono, "400"), font(arabic, "400"), font(arabic, "500")},
	}
}

func newAsset(ext string, content []byte) asset {
	kind := mime.TypeByExtension(ext)
	switch ext { // the same on every machine
	case ".css":
		kind = "text/css; charset=utf-8"
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".svg":
		kind = "image/svg+xml"
	case ".woff2":
		kind = "font/woff2"
	}
	a := asset{kind: kind, plain: content}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return a
	}
	if _, err := z.Write(content); err != nil || z.Close() != nil || b.Len() > len(content)*9/10 {
		return a
	}
	a.packed = b.Bytes()
	return a
}

// read gives the files of an embedded folder by their names.
func read(folder string) map[string][]byte {
	entries, err := fs.ReadDir(static, folder)
	if err != nil {
		panic(fmt.Sprintf("embedded folder %s: %v", folder, err)) // what the compiler put in is there
	}
	files := make(map[string][]byte)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		content, err := fs.ReadFile(static, folder+"/"+e.Name())
		if err != nil {
			panic(fmt.Sprintf("embedded file %s: %v", e.Name(), err))
		}
		files[e.Name()] = content
	}
	return files
}

func sorted(files map[string][]byte) []string {
	var list []string
	for name := range files {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// GET /admin/static/{name}: one file, for ever.
func (s *Server) showAsset(w http.ResponseWriter, r *http.Request) error {
	s.console.files.page()
	a, ok := s.console.files.byName[chi.URLParam(r, "name")]
	if !ok {
		return noRoute(w, r)
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", a.kind)
	content := a.plain
	if a.packed != nil {
		h.Add("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			content = a.packed
		}
	}
	_, _ = w.Write(content) // the reader has gone: nothing to answer to
	return nil
}
