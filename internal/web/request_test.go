package web

import (
	"net/http"
	"net/http/httptest"
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
