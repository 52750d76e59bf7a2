package clerk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/fault"
)

// basePath is where the fake API is mounted, so that a call that ignores BaseURL's
// path is caught.
const basePath = "/v1"

const (
	testKey = "sk_test_0123456789abcdefghij"
	email   = "owner+shop@shop.example"
	userID  = "user_2gTestMerchant"
	orgID   = "org_2gTestStore"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const invitation = `{"object":"organization_invitation","id":"orginv_1","email_address":"owner@shop.example","role":"org:admin","status":"pending","organization_id":"` + orgID + `"}`
	deleted := fixture(t, "deleted_user")
	for _, tc := range []struct {
		name   string
		call   func(*clerk.Client) error
		answer string
		want   string // method, path and query
		body   string
	}{
		{
			"users by e-mail", func(c *clerk.Client) error { _, err := c.UsersByEmail(ctx, email); return err },
			fixture(t, "users_list"), "GET /users?email_address=owner%2Bshop%40shop.example&limit=100", "",
		},
		{
			"users by external id", func(c *clerk.Client) error { _, err := c.UsersByExternalID(ctx, "store:42"); return err },
			fixture(t, "users_list"), "GET /users?external_id=store%3A42&limit=100", "",
		},
		{
			"user", func(c *clerk.Client) error { _, err := c.User(ctx, userID); return err },
			fixture(t, "user"), "GET /users/" + userID, "",
		},
		{
			"create user", func(c *clerk.Client) error {
				_, err := c.CreateUser(ctx, clerk.NewUser{
					Email: email, FirstName: "Ada", ExternalID: "store:42", PrivateMetadata: clerk.Metadata{"store_id": "42"}, Reserved: true,
				})
				return err
			}, fixture(t, "user"), "POST /users",
			`{"email_address":["owner+shop@shop.example"],"first_name":"Ada","external_id":"store:42","private_metadata":{"store_id":"42"},"skip_password_requirement":true,"email_address_identification_status":["reserved"]}`,
		},
		{"delete user", func(c *clerk.Client) error { return c.DeleteUser(ctx, userID) }, deleted, "DELETE /users/" + userID, ""},
		{
			"organizations by name", func(c *clerk.Client) error { _, err := c.OrganizationsByName(ctx, "متجر & co"); return err },
			fixture(t, "organizations_list"), "GET /organizations?limit=100&offset=0&query=%D9%85%D8%AA%D8%AC%D8%B1+%26+co", "",
		},
		{
			"organization", func(c *clerk.Client) error { _, err := c.Organization(ctx, orgID); return err },
			fixture(t, "organization"), "GET /organizations/" + orgID, "",
		},
		{"create organization", func(c *clerk.Client) error {
			_, err := c.CreateOrganization(ctx, clerk.NewOrganization{Name: "Test Store", PrivateMetadata: clerk.Metadata{"store_id": "42"}})
			return err
		}, fixture(t, "organization"), "POST /organizations", `{"name":"Test Store","private_metadata":{"store_id":"42"}}`},
		{"update metadata", func(c *clerk.Client) error {
			_, err := c.UpdateOrganizationMetadata(ctx, orgID, clerk.Metadata{"store_id": "42", "old": nil})
			return err
		}, fixture(t, "organization"), "PATCH /organizations/" + orgID + "/metadata", `{"private_metadata":{"old":null,"store_id":"42"}}`},
		{"delete organization", func(c *clerk.Client) error { return c.DeleteOrganization(ctx, orgID) }, deleted, "DELETE /organizations/" + orgID, ""},
		{"membership", func(c *clerk.Client) error {
			got, err := c.Memberships(ctx, orgID, userID)
			if len(got) != 1 || got[0].Role != clerk.RoleAdmin || got[0].User.ID != userID {
				return fmt.Errorf("got %v, %w", got, err)
			}
			return err
		}, `{"data":[` + fixture(t, "organization_membership") + `],"total_count":1}`, "GET /organizations/" + orgID + "/memberships?limit=100&offset=0&user_id=" + userID, ""},
		{
			"members", func(c *clerk.Client) error { _, err := c.Members(ctx, orgID); return err },
			`{"data":[],"total_count":0}`, "GET /organizations/" + orgID + "/memberships?limit=100&offset=0", "",
		},
		{"create membership", func(c *clerk.Client) error {
			_, err := c.CreateMembership(ctx, orgID, userID, clerk.RoleAdmin)
			return err
		}, fixture(t, "organization_membership"), "POST /organizations/" + orgID + "/memberships", `{"user_id":"` + userID + `","role":"org:admin"}`},
		{
			"invite", func(c *clerk.Client) error {
				_, err := c.Invite(ctx, orgID, email, clerk.RoleAdmin, "https://wosool.example", clerk.Metadata{"store_id": "42"})
				return err
			}, invitation, "POST /organizations/" + orgID + "/invitations",
			`{"email_address":"owner+shop@shop.example","role":"org:admin","redirect_url":"https://wosool.example","private_metadata":{"store_id":"42"}}`,
		},
		{"invitations", func(c *clerk.Client) error {
			got, err := c.Invitations(ctx, orgID)
			if len(got) != 1 || got[0].Status != "pending" {
				return fmt.Errorf("got %v, %w", got, err)
			}
			return err
		}, `{"data":[` + invitation + `],"total_count":1}`, "GET /organizations/" + orgID + "/invitations?limit=100&offset=0", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got, body string
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				raw, _ := io.ReadAll(r.Body)
				got, body = r.Method+" "+r.URL.RequestURI(), string(raw)
				if r.Header.Get("Authorization") != "Bearer "+testKey || r.Header.Get("Clerk-API-Version") != "2026-05-12" {
					t.Errorf("headers: got %v", r.Header)
				}
				_, _ = io.WriteString(w, tc.answer)
			})

			if err := tc.call(c); err != nil {
				t.Fatal(err)
			}

			if got != tc.want || body != tc.body {
				t.Errorf("got  %s %s\nwant %s %s", got, body, tc.want, tc.body)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	predicates := map[string]func(error) bool{
		"email": clerk.IsEmailTaken, "external": clerk.IsExternalIDTaken, "member": clerk.IsAlreadyMember,
		"invited": clerk.IsInvitationExists, "slugs": clerk.IsSlugsDisabled, "quota": clerk.IsQuota,
		"limited": func(err error) bool { _, ok := clerk.IsRateLimited(err); return ok },
	}
	one := func(code, param string) string {
		return fmt.Sprintf(`{"errors":[{"code":%q,"message":"m","long_message":"l","meta":{"param_name":%q}}]}`, code, param)
	}
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   error
		is     string // the one predicate that holds
		text   string
	}{
		{"e-mail taken", 422, fixture(t, "error_422_email_exists"), fault.Invalid, "email", "422 form_identifier_exists (email_address): "},
		{"e-mail taken, no param", 422, `{"errors":[{"code":"form_identifier_exists"}]}`, fault.Invalid, "email", ""},
		{"slug taken", 422, fixture(t, "error_422_slug_exists"), fault.Invalid, "", ""},
		{"external id taken", 422, one("form_identifier_exists", "external_id"), fault.Invalid, "external", ""},
		{"already a member", 400, fixture(t, "error_400_already_member"), fault.Invalid, "member", ""},
		{"already invited", 400, one("duplicate_record", ""), fault.Invalid, "invited", ""},
		{"already invited, other code", 400, one("organization_invitation_not_unique", ""), fault.Invalid, "invited", ""},
		{"the same code under another status", 500, one("duplicate_record", ""), fault.Unavailable, "", ""},
		{"bad key", 401, fixture(t, "error_401_key"), fault.Forbidden, "", "clerk_key_invalid"},
		{"payment", 402, one("payment_required", ""), fault.Forbidden, "", ""},
		{"quota", 403, fixture(t, "error_403_org_quota"), fault.Forbidden, "quota", "[trace 0123456789abcdef0123456789abcdef]"},
		{"organizations off", 403, fixture(t, "error_403_orgs_disabled"), fault.Forbidden, "", ""},
		{"slugs off", 403, fixture(t, "error_403_slugs_disabled"), fault.Forbidden, "slugs", ""},
		{"not found", 404, fixture(t, "error_404_user"), fault.NotFound, "", ""},
		{"a 404 that is not Clerk's", 404, "404 page not found", fault.Unavailable, "", "not in Clerk's format"},
		{"rate limit", 429, fixture(t, "error_429"), fault.Unavailable, "limited", ""},
		{"rate limit without a body", 429, "", fault.Unavailable, "limited", ""},
		{"bad gateway", 502, "<html>" + email + "</html>", fault.Unavailable, "", "502"},
		{"redirect", 307, "", fault.Unavailable, "", ""},
		{"personal data", 400, `{"errors":[{"code":"x","long_message":"no ` + email + ` or ` + testKey + `\nor +966 50 123 4567"}]}`, fault.Invalid, "", "no [redacted] or [redacted] or [redacted]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})

			_, err := c.UsersByEmail(t.Context(), email)

			var e *clerk.Error
			if !errors.As(err, &e) || !errors.Is(err, tc.kind) || e.RetryAfter != 7*time.Second {
				t.Fatalf("got %v, want an *Error of kind %v", err, tc.kind)
			}
			for name, holds := range predicates {
				if got := holds(fmt.Errorf("wrapped: %w", err)); got != (name == tc.is) {
					t.Errorf("%s: got %v for %v", name, got, err)
				}
			}
			if s := err.Error(); !strings.Contains(s, tc.text) || strings.Contains(s, "@") || strings.Contains(s, testKey) {
				t.Errorf("got %q, want %q in it", s, tc.text)
			}
		})
	}
}

func TestUnreadableAnswers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, body := range map[string]string{
		"empty": "", "truncated": `{"id":"user_1`, "HTML": "<html>", "an empty object": "{}", "null": "null",
		"another kind of id": `{"id":"../x","deleted":false,"data":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
			for call, err := range map[string]error{
				"users": second(c.UsersByEmail(ctx, email)), "user": second(c.User(ctx, userID)),
				"create user": second(c.CreateUser(ctx, clerk.NewUser{Email: email})), "delete": c.DeleteUser(ctx, userID),
				"organization": second(c.Organization(ctx, orgID)), "organizations": second(c.OrganizationsByName(ctx, "x")),
				"create organization": second(c.CreateOrganization(ctx, clerk.NewOrganization{Name: "x"})),
				"membership":          second(c.CreateMembership(ctx, orgID, userID, clerk.RoleAdmin)),
				"invite":              second(c.Invite(ctx, orgID, email, clerk.RoleAdmin, "", nil)),
			} {
				if err == nil {
					t.Errorf("%s: got nil, want an error", call)
				}
			}
		})
	}
}

func TestArgumentsAreCheckedBeforeTheCall(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("called %s", r.URL) })
	for _, id := range []string{"", "user_", "org_", "../users/x", "user_a?b=c", "org_a/b", "user-1", "org_é", userID + "\n"} {
		for call, err := range map[string]error{
			"user": second(c.User(ctx, id)), "delete user": c.DeleteUser(ctx, id),
			"organization": second(c.Organization(ctx, id)), "delete organization": c.DeleteOrganization(ctx, id),
			"metadata": second(c.UpdateOrganizationMetadata(ctx, id, nil)), "members": second(c.Members(ctx, id)),
			"memberships": second(c.Memberships(ctx, orgID, id)), "membership": second(c.CreateMembership(ctx, orgID, id, clerk.RoleAdmin)),
			"membership of": second(c.CreateMembership(ctx, id, userID, clerk.RoleAdmin)),
			"invite":        second(c.Invite(ctx, id, email, clerk.RoleAdmin, "", nil)), "invitations": second(c.Invitations(ctx, id)),
		} {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%s of %q: got %v, want invalid", call, id, err)
			}
		}
	}
	for call, err := range map[string]error{
		"no e-mail": second(c.UsersByEmail(ctx, "")), "no external id": second(c.UsersByExternalID(ctx, "")),
		"an operator": second(c.UsersByExternalID(ctx, "-store:1")), "no name": second(c.OrganizationsByName(ctx, "")),
		"a role": second(c.CreateMembership(ctx, orgID, userID, "admin")), "an inviter's role": second(c.Invite(ctx, orgID, email, "", "", nil)),
	} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want invalid", call, err)
		}
	}
}

func TestListsAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	const total = 250
	var offsets []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		offsets = append(offsets, r.URL.Query().Get("offset"))
		from, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		if from > 0 {
			from-- // the list grew at its head: one record comes again
		}
		var page []string
		for i := from; i < min(from+100, total); i++ {
			page = append(page, fmt.Sprintf(`{"id":"org_%d","name":"x"}`, i))
		}
		_, _ = fmt.Fprintf(w, `{"data":[%s],"total_count":%d}`, strings.Join(page, ","), total+1)
	})

	got, err := c.OrganizationsByName(t.Context(), "x")

	if err != nil || len(got) != total {
		t.Errorf("got %d organizations, %v, want %d", len(got), err, total)
	}
	if diff := cmp.Diff([]string{"0", "100", "200"}, offsets); diff != "" {
		t.Error(diff)
	}
}

func TestAListWithoutEndIsAnError(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[{"id":"org_1"}],"total_count":1000000}`)
	})
	if _, err := c.OrganizationsByName(t.Context(), "x"); err == nil {
		t.Error("got nil")
	}
}

func TestFiltersThatAreIgnoredMatchNobody(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/users" {
			_, _ = io.WriteString(w, fixture(t, "users_list"))
			return
		}
		_, _ = io.WriteString(w, `{"data":[`+fixture(t, "organization_membership")+`],"total_count":1}`)
	})
	if got, err := c.Memberships(t.Context(), orgID, "user_other"); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := c.UsersByExternalID(t.Context(), "store:43"); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCreateUserReservesTheAddressWhereItCan(t *testing.T) {
	t.Parallel()
	user := func(reserved bool) string {
		return fmt.Sprintf(`{"id":"user_1","email_addresses":[{"id":"idn_1","email_address":"Owner+shop@shop.example","reserved":%v}]}`, reserved)
	}
	const refusal = `{"errors":[{"code":%q,"message":"m","meta":{"param_name":%q}}]}`
	for _, tc := range []struct {
		name     string
		status   int
		refusal  string // of the first call; "" accepts it
		calls    int
		reserved bool
		fails    bool
	}{
		{name: "offered", calls: 1, reserved: true},
		{name: "unknown", status: 422, refusal: fmt.Sprintf(refusal, "form_param_unknown", "email_address_identification_status"), calls: 2},
		{name: "unknown, unnamed", status: 422, refusal: fmt.Sprintf(refusal, "form_param_unknown", ""), calls: 2},
		{name: "its format", status: 422, refusal: fmt.Sprintf(refusal, "form_param_format_invalid", "email_address_identification_status[0]"), calls: 2},
		{name: "another format", status: 422, refusal: fmt.Sprintf(refusal, "form_param_format_invalid", "first_name"), calls: 1, fails: true},
		{name: "taken", status: 422, refusal: fixture(t, "error_422_email_exists"), calls: 1, fails: true},
		{name: "down", status: 503, calls: 1, fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls++
				raw, _ := io.ReadAll(r.Body)
				asked := strings.Contains(string(raw), `"email_address_identification_status":["reserved"]`)
				if asked != (calls == 1) {
					t.Errorf("call %d: got %s", calls, raw)
				}
				if calls == 1 && tc.status != 0 {
					w.WriteHeader(tc.status)
					_, _ = io.WriteString(w, tc.refusal)
					return
				}
				_, _ = io.WriteString(w, user(asked))
			})

			got, err := c.CreateUser(t.Context(), clerk.NewUser{Email: email, Reserved: true})

			if calls != tc.calls || (err != nil) != tc.fails || got.EmailReserved != tc.reserved {
				t.Errorf("got %+v, %v after %d calls", got, err, calls)
			}
		})
	}
}

func TestCallsThatAreNotAnswered(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	c := &clerk.Client{BaseURL: down.URL + basePath, Key: testKey}
	_, err := c.UsersByEmail(t.Context(), email)
	if !errors.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "shop.example") {
		t.Errorf("got %v, want unavailable without the address", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.UsersByEmail(ctx, email)
	if errors.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want only cancelled", err)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	if _, err := c.User(t.Context(), userID); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v, want the bound named", err)
	}
}

func TestFixturesDecode(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) < 25 {
		t.Fatalf("got %d fixtures, %v", len(names), err)
	}
	for _, name := range names {
		base := strings.TrimSuffix(filepath.Base(name), ".json")
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			raw := json.RawMessage(fixture(t, base))
			var event struct{ Data json.RawMessage }
			if strings.HasPrefix(base, "webhook_") {
				if err := json.Unmarshal(raw, &event); err != nil {
					t.Fatal(err)
				}
				raw = event.Data
			}
			var id string
			var err error
			switch {
			case strings.HasPrefix(base, "webhook_user"), base == "user", base == "deleted_user":
				var u clerk.User
				err, id = json.Unmarshal(raw, &u), u.ID
			case strings.HasPrefix(base, "webhook_organizationMembership"), base == "organization_membership":
				var m clerk.Membership
				err, id = json.Unmarshal(raw, &m), m.ID+m.User.ID+m.Organization.ID
			case strings.HasPrefix(base, "webhook_organization"), base == "organization":
				var o clerk.Organization
				err, id = json.Unmarshal(raw, &o), o.ID
			default:
				if !json.Valid(raw) {
					t.Error("not JSON")
				}
				return
			}
			if err != nil || id == "" {
				t.Errorf("got id %q, %v", id, err)
			}
		})
	}
}

func TestUserFields(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, fixture(t, "user")) })

	got, err := c.User(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}

	primary, ok := got.PrimaryEmail()
	if !ok || primary.Address != "owner@shop.example" || primary.Verification.Status != "verified" || got.PrivateMetadata.Text("store_id") != "42" {
		t.Errorf("got %+v", got)
	}
	if !got.HasEmail("OWNER@shop.example") || got.HasEmail("other@shop.example") {
		t.Error("HasEmail")
	}
	if s := got.LogValue().String(); s != userID {
		t.Errorf("logs as %s", s)
	}
	got.PrimaryEmailID = "idn_other"
	if e, ok := got.PrimaryEmail(); ok {
		t.Errorf("got %v, want no primary address", e)
	}
	if s := fmt.Sprintf("%v %+v %#v", c, *c, c); strings.Contains(s, testKey) {
		t.Errorf("prints its key: %s", s)
	}
	if got := (clerk.Metadata{"n": float64(1305146709), "l": []any{}}); got.Text("n") != "1305146709" || got.Text("l")+got.Text("x") != "" {
		t.Errorf("got %q", got.Text("n"))
	}
}

// serve gives a client of a fake API under basePath.
func serve(t *testing.T, h http.HandlerFunc) *clerk.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, basePath+"/") {
			t.Errorf("called outside the base path: %s", r.URL)
		}
		http.StripPrefix(basePath, h).ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return &clerk.Client{BaseURL: srv.URL + basePath + "/", HTTP: srv.Client(), Key: testKey}
}

func second[T any](_ T, err error) error { return err }

func fixture(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
