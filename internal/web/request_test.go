package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		status     int // 0: it reads
		message    string
	}{
		{"everything", `{"name":"a","merchant":7,"resources":["orders"],"since":"2026-01-31T00:00:00+03:00"}`, 0, ""},
		{"nothing", ``, 0, ""},
		{"an empty object", ` {} `, 0, ""},
		{"null for an optional field", `{"merchant":null,"since":null}`, 0, ""},
		{"an unknown field", `{"title":"a"}`, 400, `there is no field "title" here`},
		{"a text for a number", `{"merchant":"7"}`, 400, `the field "merchant" must be a whole number`},
		{"a fraction for a number", `{"merchant":7.5}`, 400, `the field "merchant" must be a whole number`},
		{"a text for a list", `{"resources":"orders"}`, 400, `the field "resources" must be a list`},
		{"a number for a text", `{"name":7}`, 400, `the field "name" must be a string`},
		{"no time", `{"since":"yesterday"}`, 400, `the field "since" must be a time such as 2026-01-31T00:00:00Z`},
		{"a list", `[]`, 400, "the body must be a JSON object"},
		{"a text", `"x"`, 400, "the body must be a JSON object"},
		{"half an object", `{"name":`, 400, "the body is not valid JSON"},
		{"two objects", `{} {}`, 400, "the body must be one JSON object and nothing after it"},
		{"too much", `{"name":"` + strings.Repeat("a", apiBody) + `"}`, 413, "the body is larger than 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var v struct {
				Name      string   `json:"name"`
				Merchant  *int64   `json:"merchant"`
				Resources []string `json:"resources"`
				Since     *instant `json:"since"`
			}
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))

			err := decode(httptest.NewRecorder(), r, &v)

			if tt.status == 0 {
				if err != nil {
					t.Errorf("decode(%s) = %v", tt.body, err)
				}
				return
			}
			p, _ := answerTo(err)
			if err == nil || p.Status != tt.status || p.Message != tt.message {
				t.Errorf("decode = %d %q, want %d %q", p.Status, p.Message, tt.status, tt.message)
			}
		})
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	last := uuid.Must(uuid.NewV7())
	tests := []struct {
		name, query string
		limit       int
		after       uuid.UUID
		status      int
	}{
		{"nothing given", "", 50, uuid.Nil, 0},
		{"both given", "limit=200&cursor=" + cursorAfter(last), 200, last, 0},
		{"zero", "limit=0", 0, uuid.Nil, 422},
		{"too many", "limit=201", 0, uuid.Nil, 422},
		{"no number", "limit=ten", 0, uuid.Nil, 400},
		{"a cursor of somebody else's", "cursor=abc", 0, uuid.Nil, 400},
		{"a cursor that is no base64", "cursor=%21%21", 0, uuid.Nil, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			limit, after, err := paging(httptest.NewRequest(http.MethodGet, "/?"+tt.query, nil))

			if tt.status != 0 {
				if p, _ := answerTo(err); err == nil || p.Status != tt.status {
					t.Errorf("paging(%s): %v, want status %d", tt.query, err, tt.status)
				}
				return
			}
			if err != nil || limit != tt.limit || after != tt.after {
				t.Errorf("paging(%s) = %d, %s, %v, want %d, %s", tt.query, limit, after, err, tt.limit, tt.after)
			}
		})
	}
}

func TestQueryText(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"q=+%D9%86%D8%AE%D9%84+": "نخل", "": "", "q=a%00b": "400", "q=%00": "400", "q=%ff": "400", "q=%D9": "400",
		"q=" + strings.Repeat("a", 201): "422",
	} {
		got, err := queryText(httptest.NewRequest(http.MethodGet, "/?"+query, nil), "q")
		if err != nil {
			p, _ := answerTo(err)
			if got = strconv.Itoa(p.Status); !strings.HasPrefix(p.Message, "q must") {
				t.Errorf("%s: %q does not name the parameter", query, p.Message)
			}
		}
		if got != want {
			t.Errorf("queryText(%s) = %q, want %q", query, got, want)
		}
	}
}

// No text in an address is a failure of ours.
func TestTextsThatNoDatabaseHolds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	key := strings.Repeat("0", 32)
	for path, want := range map[string]int{
		"/admin/search?q=%00":                                               http.StatusBadRequest,
		"/admin/tenants?q=a%00":                                             http.StatusBadRequest,
		"/admin/events?q=%ff":                                               http.StatusBadRequest,
		failedPath + "?task=event:apply%00&group=" + key:                    http.StatusNotFound,
		failedPath + "?task=event:apply&group=" + key[1:] + "%00":           http.StatusNotFound,
		failedPath + "?task=event:apply&group=" + strings.Repeat("%ff", 32): http.StatusNotFound,
		failedPath + "?task=event:apply&group=" + strings.Repeat("Z", 32):   http.StatusNotFound,
		failedPath + "?task=event:apply&group=" + key[2:] + "%D9%86":        http.StatusNotFound,
	} {
		if a := d.send(http.MethodGet, path, "", map[string]string{"Cookie": d.cookie}); a.Code != want {
			t.Errorf("GET %s: %d, want %d", path, a.Code, want)
		}
	}
	for _, kind := range []string{"event:apply\x00", "\xff", "event:apply"} {
		if a := d.post(failedPath+"/retry", url.Values{"task": {kind}, "id": {uuid.NewString()}}); a.Code != http.StatusNotFound {
			t.Errorf("retrying a %q: %d, want 404", kind, a.Code)
		}
	}
	for _, lane := range []string{"%00", "imports%00", "%ff", "Imports"} {
		if a := d.post(lanesPath+"/"+lane+"/pause", nil); a.Code != http.StatusNotFound {
			t.Errorf("pausing %s: %d, want 404", lane, a.Code)
		}
	}
}

func TestInstantKeepsItsZone(t *testing.T) {
	t.Parallel()
	var i instant
	if err := i.UnmarshalText([]byte("2026-01-31T00:00:00+03:00")); err != nil {
		t.Fatal(err)
	}
	if got, want := i.time().UTC(), time.Date(2026, 1, 30, 21, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("time = %s, want %s", got, want)
	}
}
