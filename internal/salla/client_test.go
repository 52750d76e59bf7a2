package salla_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
)

// basePath is where the fake API is mounted, so that a call that ignores BaseURL's
// path is caught.
const basePath = "/admin/v2"

const testToken = "ory_at_TESTaccess111111111111111111111111111111.TESTsig"

func TestCalls(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	record := `{"status":200,"success":true,"data":{"id":7,"name":"x"}}`
	list := `{"status":200,"success":true,"data":[{"id":7}],"pagination":{"totalPages":1,"links":[]}}`

	for _, tc := range []struct {
		name   string
		call   func(*salla.Client) error
		answer string
		status int
		want   string // method, path and query
		body   string
	}{
		{
			name: "store info", call: func(c *salla.Client) error { _, err := c.StoreInfo(ctx); return err },
			answer: record, want: "GET /store/info",
		},
		{
			name: "customer", call: func(c *salla.Client) error { _, err := c.Customer(ctx, "7"); return err },
			answer: record, want: "GET /customers/7",
		},
		{
			name: "product", call: func(c *salla.Client) error { _, err := c.Product(ctx, "7"); return err },
			answer: record, want: "GET /products/7",
		},
		{
			name: "order", call: func(c *salla.Client) error { _, err := c.Order(ctx, "7"); return err },
			answer: record, want: "GET /orders/7?format=light",
		},
		{
			name: "cart", call: func(c *salla.Client) error { _, err := c.Cart(ctx, "7"); return err },
			answer: record, want: "GET /carts/abandoned/7",
		},
		{
			name: "order items", call: func(c *salla.Client) error { _, err := c.OrderItems(ctx, "7"); return err },
			answer: list, want: "GET /orders/items?order_id=7&page=1&per_page=60",
		},
		{name: "first page", call: page(ctx, salla.Products, salla.PageQuery{}), answer: list, want: "GET /products?page=1"},
		{name: "orders by date", call: page(ctx, salla.Orders, salla.PageQuery{
			Number: 3, PerPage: 60, SortBy: "id-asc", From: "2026-01-01", To: "2026-02-01",
		}), answer: list, want: "GET /orders?from_date=2026-01-01&page=3&per_page=60&sort_by=id-asc&to_date=2026-02-01"},
		{
			name: "customers by date", call: page(ctx, salla.Customers, salla.PageQuery{From: "2026-01-01", To: "2026-02-01"}),
			answer: list, want: "GET /customers?date_from=2026-01-01&date_to=2026-02-01&page=1",
		},
		{
			name: "cart cursor", call: page(ctx, salla.Carts, salla.PageQuery{Cursor: "cursor=a%2Bb"}),
			answer: list, want: "GET /carts/abandoned?cursor=a%2Bb",
		},
		{
			name: "webhooks", call: func(c *salla.Client) error { _, err := c.Webhooks(ctx); return err },
			answer: list, want: "GET /webhooks?page=1&per_page=60",
		},
		{
			name: "subscribe", call: func(c *salla.Client) error {
				_, err := c.Subscribe(ctx, "order.created", "https://wosool.example/webhooks/salla", "Order created")
				return err
			}, answer: record, want: "POST /webhooks/subscribe",
			body: `{"name":"Order created","event":"order.created","url":"https://wosool.example/webhooks/salla","version":2}`,
		},
		{name: "update webhook", call: func(c *salla.Client) error {
			_, err := c.UpdateWebhook(ctx, 9, salla.WebhookUpdate{Strategy: "signature", Secret: "s3cret"})
			return err
		}, answer: record, want: "PUT /webhooks/9", body: `{"version":2,"security_strategy":"signature","secret":"s3cret"}`},
		{
			name: "unsubscribe", call: func(c *salla.Client) error { return c.Unsubscribe(ctx, 9) },
			answer: ``, status: http.StatusAccepted, want: "DELETE /webhooks/unsubscribe?id=9",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got, body string
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				raw, _ := io.ReadAll(r.Body)
				got, body = r.Method+" "+r.URL.RequestURI(), string(raw)
				if r.Header.Get("Authorization") != "Bearer "+testToken || r.Header.Get("Accept") != "application/json" {
					t.Errorf("headers: got %v", r.Header)
				}
				w.WriteHeader(max(tc.status, http.StatusOK))
				_, _ = io.WriteString(w, tc.answer)
			})

			if err := tc.call(c); err != nil {
				t.Fatal(err)
			}

			if got != tc.want || body != tc.body {
				t.Errorf("got %s %s, want %s %s", got, body, tc.want, tc.body)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		status  int
		body    string
		header  http.Header
		kind    error
		invalid bool // IsInvalidToken
		scope   bool // IsMissingScope
		limited time.Duration
		text    string // must stand in the error
	}{
		{name: "invalid token", status: 401, body: fixture(t, "error_401_invalid_token"), kind: fault.Forbidden, invalid: true},
		{name: "missing scope", status: 401, body: fixture(t, "error_401_missing_scope"), kind: fault.Forbidden, scope: true, text: "orders.read"},
		{name: "blocked", status: 403, body: `{"success":false,"error":{"code":"forbidden"}}`, kind: fault.Forbidden, text: "403 forbidden"},
		{name: "not found", status: 404, body: fixture(t, "error_404"), kind: fault.NotFound, text: "404 404: The content"},
		{name: "not found, code as text", status: 404, body: fixture(t, "error_404_string_code"), kind: fault.NotFound},
		{name: "gone", status: 410, body: `{"success":false,"error":{"code":"gone"}}`, kind: fault.NotFound},
		{name: "a 404 that is not Salla's", status: 404, body: "404 page not found\n", kind: fault.Unavailable, text: "not in Salla's format"},
		{name: "invalid fields", status: 422, body: fixture(t, "error_422"), kind: fault.Invalid, text: "alert.invalid_fields (event: حقل event غير صالحٍ; url: "},
		{name: "fields in other shapes", status: 422, body: `{"success":false,"error":{"code":1,"message":"m","fields":{"a":"one","b":[]}}}`, kind: fault.Invalid, text: "422 1: m (a: one)"},
		{name: "rate limit", status: 429, body: fixture(t, "error_429"), header: http.Header{"Retry-After": {"17"}}, kind: fault.Unavailable, limited: 17 * time.Second},
		{name: "rate limit of a proxy", status: 429, body: "", kind: fault.Unavailable, limited: 0, text: "an empty answer"},
		{name: "rate limit without end", status: 429, header: http.Header{"Retry-After": {"99999999999"}}, kind: fault.Unavailable, limited: 24 * time.Hour},
		{name: "server error as HTML", status: 502, body: "<html><body>" + testToken + "</body></html>", kind: fault.Unavailable, text: "an HTML page"},
		{name: "timeout", status: 408, body: "{}", kind: fault.Unavailable},
		{name: "redirect", status: 302, header: http.Header{"Location": {"/elsewhere"}}, kind: fault.Unavailable},
		{name: "refused under 200", status: 200, body: `{"status":422,"success":false,"error":{"code":"error","message":"no"}}`, kind: fault.Invalid, text: "422 error: no"},
		{
			name: "token in the message", status: 400, body: `{"success":false,"error":{"message":"bad ` + testToken + `\u0007\nfor a@b.example, +966 50 123 4567"}}`,
			kind: fault.Invalid, text: "bad [redacted] for [redacted], [redacted]",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for name, v := range tc.header {
					w.Header()[name] = v
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})

			_, err := c.Customer(t.Context(), "1")

			var e *salla.Error
			if !errors.As(err, &e) || !errors.Is(err, tc.kind) {
				t.Fatalf("got %v, want an *Error of kind %v", err, tc.kind)
			}
			if salla.IsInvalidToken(err) != tc.invalid || salla.IsMissingScope(err) != tc.scope || salla.IsInvalidGrant(err) || salla.NotSent(err) {
				t.Errorf("predicates of %v are wrong", err)
			}
			if wait, limited := salla.IsRateLimited(err); limited != (tc.status == 429) || wait != tc.limited {
				t.Errorf("got %v %v, want %v", wait, limited, tc.limited)
			}
			if !strings.Contains(err.Error(), tc.text) || strings.Contains(err.Error(), testToken) {
				t.Errorf("got %q, want %q in it", err, tc.text)
			}
		})
	}
}

func TestRateLimitFallsBackToTheReset(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Add(30*time.Second).Unix()))
		w.WriteHeader(http.StatusTooManyRequests)
	})

	_, err := c.StoreInfo(t.Context())

	if wait, ok := salla.IsRateLimited(err); !ok || wait < 20*time.Second || wait > 30*time.Second {
		t.Errorf("got %v %v, want about 30s", wait, ok)
	}
}

func TestUnreadableAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": "", "blank": " \n", "truncated": `{"status":200,"success":true,"data":{"id":`, "HTML": "<html>",
		"no data": `{"success":true}`, "null": `{"data":null}`, "a list": `{"data":[{"id":1}]}`, "an empty object": `{"data":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, answer(body))

			if doc, err := c.Product(t.Context(), "1"); err == nil {
				t.Errorf("got %s, want an error", doc.Body)
			}
			if store, err := c.StoreInfo(t.Context()); err == nil && name != "a list" {
				t.Errorf("got %v, want an error", store)
			}
		})
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})

	_, err := c.Customer(t.Context(), "1")

	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v, want the bound named", err)
	}
}

func TestAnswerCutShortIsUnavailable(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"data":{"id":1}}`)
	})

	_, err := c.Customer(t.Context(), "1")

	if !errors.Is(err, fault.Unavailable) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want unavailable, unexpected EOF", err)
	}
}

func TestIDsStayIDs(t *testing.T) {
	t.Parallel()
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("called %s", r.URL) })
	for _, id := range []string{"", "../orders/1", "1?x=y", "1/2", "%2e", "a b"} {
		if _, err := c.Customer(t.Context(), id); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v, want invalid", id, err)
		}
		if _, err := c.OrderItems(t.Context(), id); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v, want invalid", id, err)
		}
	}
}

func TestCallsThatAreNotAnswered(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	c := &salla.Client{BaseURL: down.URL + basePath, Token: testToken}
	_, err := c.StoreInfo(t.Context())
	if !errors.Is(err, fault.Unavailable) || !strings.HasPrefix(err.Error(), "salla: GET /store/info: ") || salla.NotSent(err) {
		t.Errorf("got %v, want unavailable", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.StoreInfo(ctx)
	if errors.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want only cancelled", err)
	}
}

func TestRedirectsDoNotCarryTheToken(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			elsewhere.Add(1)
		}
		http.Redirect(w, r, "elsewhere", http.StatusTemporaryRedirect)
	})

	_, err := c.StoreInfo(t.Context())

	if err == nil || elsewhere.Load() != 0 {
		t.Errorf("got %v and %d calls elsewhere", err, elsewhere.Load())
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	reset := time.Now().Add(time.Minute).UTC().Truncate(time.Second)
	for _, tc := range []struct {
		name   string
		header map[string]string
		want   salla.Limits
	}{
		{"nothing said", nil, salla.Limits{}},
		{
			"within",
			map[string]string{"X-RateLimit-Limit": "360", "X-RateLimit-Remaining": "12", "X-RateLimit-Reset": fmt.Sprint(reset.Unix())},
			salla.Limits{Limit: 360, Remaining: 12, Reset: reset, Known: true},
		},
		{
			"over",
			map[string]string{"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "Retry-After": "0.5"},
			salla.Limits{Limit: 60, RetryAfter: time.Second, Known: true},
		},
		{"nonsense", map[string]string{"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-1", "Retry-After": "soon"}, salla.Limits{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for name, v := range tc.header {
					w.Header().Set(name, v)
				}
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			var got []salla.Limits
			c.Observe = func(l salla.Limits) { got = append(got, l) }

			_, _ = c.StoreInfo(t.Context())

			// The Date that the reset is compared with has whole seconds.
			if diff := cmp.Diff([]salla.Limits{tc.want}, got, cmpopts.EquateApproxTime(1200*time.Millisecond)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Salla's times are right whatever our clock says: they are told by its own.
func TestLimitsAreReadByTheClockOfTheAnswer(t *testing.T) {
	t.Parallel()
	there := time.Now().Add(-3 * time.Hour).UTC()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", there.Format(http.TimeFormat))
		w.Header().Set("X-RateLimit-Limit", "360")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", fmt.Sprint(there.Add(40*time.Second).Unix()))
		w.Header().Set("Retry-After", there.Add(7*time.Second).Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	var got salla.Limits
	c.Observe = func(l salla.Limits) { got = l }

	_, _ = c.StoreInfo(t.Context())

	if !got.Refused || got.RetryAfter != 7*time.Second {
		t.Errorf("got %+v, want a refusal with 7 s of silence", got)
	}
	if in := time.Until(got.Reset); in < 38*time.Second || in > 41*time.Second {
		t.Errorf("the reset is in %v, want 40 s", in)
	}
}

func TestStoreInfo(t *testing.T) {
	t.Parallel()
	c := serve(t, answer(fixture(t, "store_info")))

	got, err := c.StoreInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if !json.Valid(got.Document) || !strings.Contains(string(got.Document), "tax_number") {
		t.Errorf("document: got %s", got.Document)
	}
	got.Document = nil
	want := salla.Store{
		ID: 1305146709, Name: "متجر الورد", Entity: "company", Email: "store@example.com",
		Avatar: "https://cdn.salla.sa/logo/logo-fashion.jpg", Plan: "pro", Type: "demo", Status: "active",
		Currency: "SAR", Domain: "https://salla.sa/dev-wofftr4xsra5xtlv", Description: "متجر تجريبي",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStoreInfoBearsSloppyTypes(t *testing.T) {
	t.Parallel()
	c := serve(t, answer(`{"data":{"id":"1305","name":null,"email":[],"verified":"1","plan":{},"domain":5}}`))

	got, err := c.StoreInfo(t.Context())

	if err != nil || got.ID != 1305 || got.Name != "" || got.Domain != "5" || !got.Verified {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	want := salla.Webhook{
		ID: 831980095, Name: "Customer Login", Event: "customer.login", Type: "manual",
		URL: "https://app.example.com/webhooks/salla", Version: 2, Rule: "first_name = `User`",
	}
	t.Run("list", func(t *testing.T) {
		t.Parallel()
		got, err := serve(t, answer(fixture(t, "webhooks_list_response"))).Webhooks(t.Context())
		if diff := cmp.Diff([]salla.Webhook{want}, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
	t.Run("subscribe", func(t *testing.T) {
		t.Parallel()
		got, err := serve(t, answer(fixture(t, "webhooks_subscribe_response"))).Subscribe(t.Context(), "order.created", "https://x", "n")
		if err != nil || got.ID != 60587520 || got.Event != "order.created" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	for name, body := range map[string]string{
		"security beside data": `{"data":{"id":1,"rule":null},"security":{"strategy":"signature","secret":"s"}}`,
		"security in data":     `{"data":{"id":"1","version":"2","security":{"strategy":"signature","secret":"s"}},"security":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := serve(t, answer(body)).UpdateWebhook(t.Context(), 1, salla.WebhookUpdate{Strategy: "signature", Secret: "s"})
			if err != nil || got.Security != (salla.Security{Strategy: "signature", Secret: "s"}) {
				t.Errorf("got %+v, %v", got, err)
			}
			if printed := fmt.Sprintf("%+v %#v", got, got.Security); strings.Contains(printed, "{s}") || strings.Contains(printed, `"s"`) {
				t.Errorf("prints its secret: %s", printed)
			}
		})
	}
	t.Run("a secret is not repeated", func(t *testing.T) {
		t.Parallel()
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			message, _ := json.Marshal("not " + string(raw))
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = fmt.Fprintf(w, `{"success":false,"error":{"message":%s}}`, message)
		})
		_, err := c.UpdateWebhook(t.Context(), 1, salla.WebhookUpdate{Strategy: "signature", Secret: "hush-hush"})
		if err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "signature") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNothingPrintsATokenOrSecret(t *testing.T) {
	t.Parallel()
	const secret = "hush"
	token := salla.Token{Access: secret, Refresh: secret, ExpiresAt: time.Unix(1794735085, 0)}
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil))
	for _, v := range []any{
		token, &token,
		salla.Client{Token: secret},
		&salla.Client{Token: secret},
		salla.OAuth{ClientSecret: secret},
		&salla.OAuth{ClientSecret: secret},
		salla.Security{Secret: secret},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, secret) || strings.Contains(got, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s of %T shows its secret: %s", verb, v, got)
			}
		}
	}
	log.Info("x", "token", token, "pointer", &token, "client", &salla.Client{Token: secret}, "oauth", salla.OAuth{ClientSecret: secret},
		"inside", struct{ T salla.Token }{token}, "hook", salla.Webhook{Security: salla.Security{Secret: secret}})
	if strings.Contains(logged.String(), secret) {
		t.Errorf("logged: %s", logged.String())
	}
}

func TestEveryFixtureDecodes(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) < 39 {
		t.Fatalf("got %d fixtures, %v", len(names), err)
	}
	for _, name := range names {
		base := strings.TrimSuffix(filepath.Base(name), ".json")
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			body := fixture(t, base)
			c := serve(t, answer(body))
			var err error
			switch {
			case base == "list_order_items":
				_, err = c.OrderItems(t.Context(), "1")
			case base == "webhooks_list_response":
				_, err = c.Webhooks(t.Context())
			case strings.HasPrefix(base, "list_"):
				var page salla.Page
				page, err = c.Page(t.Context(), salla.Products, salla.PageQuery{})
				if len(page.Records) == 0 || page.Total == nil || page.TotalPages == nil {
					t.Errorf("got %+v", page)
				}
			case strings.Contains(base, "_details"):
				_, err = c.Order(t.Context(), "1")
			case strings.HasPrefix(base, "oauth_token"):
				var token salla.Token
				token, err = (&salla.OAuth{AccountsURL: strings.TrimSuffix(c.BaseURL, basePath)}).Refresh(t.Context(), "r")
				if token.Access == "" || token.Refresh == "" || len(token.Scopes) != 7 {
					t.Errorf("got %v %v", token, token.Scopes)
				}
			}
			if err != nil {
				t.Error(err)
			}
			// Every date and amount in it is one that we read.
			dates(t, json.RawMessage(body))
		})
	}
}

// dates walks a document and reads whatever is a date or an amount by its name.
func dates(t *testing.T, raw json.RawMessage) {
	t.Helper()
	var object map[string]json.RawMessage
	var list []json.RawMessage
	switch {
	case json.Unmarshal(raw, &object) == nil:
		for name, v := range object {
			date := strings.HasSuffix(name, "_at") || strings.HasSuffix(name, "_date") || name == "date"
			empty := string(v) == "null" || string(v) == `""`
			if date && !empty && string(v) != "0" && name != "pending_payment_ends_at" {
				if _, ok := salla.ParseTime(v); !ok {
					t.Errorf("%s: %s is not read as a time", name, v)
				}
			}
			dates(t, v)
		}
	case json.Unmarshal(raw, &list) == nil:
		for _, v := range list {
			dates(t, v)
		}
	}
}

// serve gives a client of a fake API under basePath.
func serve(t *testing.T, h http.HandlerFunc) *salla.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", http.StripPrefix(basePath, h))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, basePath+"/") && r.URL.Path != "/oauth2/token" {
			t.Errorf("called outside the base path: %s", r.URL)
		}
		if r.URL.Path == "/oauth2/token" {
			h(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return &salla.Client{BaseURL: srv.URL + basePath, HTTP: srv.Client(), Token: testToken}
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func page(ctx context.Context, r salla.Resource, q salla.PageQuery) func(*salla.Client) error {
	return func(c *salla.Client) error {
		_, err := c.Page(ctx, r, q)
		return err
	}
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
