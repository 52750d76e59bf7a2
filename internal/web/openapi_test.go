package web

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
)

// The document and the route map name the same routes; the console is not among them.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	t.Parallel()
	doc := openAPI(t)
	var documented, served []string
	for path, item := range doc.m["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	if err := chi.Walk(bareServer(t).Handler().(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !strings.HasPrefix(route, "/admin") { // pages are no API
			served = append(served, method+" "+route)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Errorf("routes (-documented +served):\n%s", diff)
	}
}

// Each reference leads somewhere, and each schema is used.
func TestOpenAPIReferences(t *testing.T) {
	t.Parallel()
	doc := openAPI(t)
	used := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				used[ref] = true
				doc.find(ref)
			}
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(doc.m)
	for name := range doc.m["components"].(map[string]any)["schemas"].(map[string]any) {
		if !used["#/components/schemas/"+name] {
			t.Errorf("nothing uses the schema %s", name)
		}
	}
}

// openAPIDoc is docs/openapi.yaml.
type openAPIDoc struct {
	t *testing.T
	m map[string]any
}

func openAPI(t *testing.T) openAPIDoc {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return openAPIDoc{t: t, m: readYAML(t, string(text))}
}

// find returns what a reference leads to.
func (d openAPIDoc) find(ref string) map[string]any {
	d.t.Helper()
	var v any = d.m
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		m, _ := v.(map[string]any)
		v = m[part]
	}
	m, ok := v.(map[string]any)
	if !ok {
		d.t.Fatalf("the reference %s leads nowhere", ref)
	}
	return m
}

// check holds a JSON answer against the named schema, both ways: no field that
// is not documented, none missing, and each of its documented type.
func (d openAPIDoc) check(schema string, answer []byte) {
	d.t.Helper()
	var v any
	if err := json.Unmarshal(answer, &v); err != nil {
		d.t.Fatalf("answer %s: %v", answer, err)
	}
	d.value(schema, map[string]any{"$ref": "#/components/schemas/" + schema}, v)
}

func (d openAPIDoc) value(at string, schema map[string]any, v any) {
	d.t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		d.value(at, d.find(ref), v)
		return
	}
	if choices, ok := schema["oneOf"].([]any); ok {
		if v == nil {
			return
		}
		d.value(at, choices[len(choices)-1].(map[string]any), v)
		return
	}
	if !typeFits(schema["type"], v) {
		d.t.Errorf("%s is %T (%v), documented as %v", at, v, v, schema["type"])
		return
	}
	if values, ok := schema["enum"].([]any); ok && !slices.Contains(values, v) {
		d.t.Errorf("%s is %v, documented as one of %v", at, v, values)
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			d.value(at+"[]", schema["items"].(map[string]any), item)
		}
	case map[string]any:
		d.object(at, schema, v)
	}
}

func (d openAPIDoc) object(at string, schema map[string]any, v map[string]any) {
	d.t.Helper()
	properties, required := d.fields(schema)
	if len(properties) == 0 {
		return // a free object
	}
	for _, name := range required {
		if _, ok := v[name]; !ok {
			d.t.Errorf("%s lacks %s", at, name)
		}
	}
	for name, value := range v {
		p, ok := properties[name].(map[string]any)
		if !ok {
			d.t.Errorf("%s has %s, which is not documented", at, name)
			continue
		}
		d.value(at+"."+name, p, value)
	}
}

// fields gives an object's properties and those required, allOf taken in.
func (d openAPIDoc) fields(schema map[string]any) (properties map[string]any, required []string) {
	properties = map[string]any{}
	parts, _ := schema["allOf"].([]any)
	for _, part := range parts {
		inner, names := d.fields(d.find(part.(map[string]any)["$ref"].(string)))
		for name, p := range inner {
			properties[name] = p
		}
		required = append(required, names...)
	}
	own, _ := schema["properties"].(map[string]any)
	for name, p := range own {
		properties[name] = p
	}
	names, _ := schema["required"].([]any)
	for _, name := range names {
		required = append(required, name.(string))
	}
	return properties, required
}

func typeFits(want, v any) bool {
	if want == nil {
		return true // anything
	}
	if choices, ok := want.([]any); ok {
		return slices.ContainsFunc(choices, func(c any) bool { return typeFits(c, v) })
	}
	switch v := v.(type) {
	case nil:
		return want == "null"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && v == float64(int64(v))
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}
