package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/sandbox"
)

func TestClerkUsers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := `{"email_address":["Owner+1@shop.example"],"email_address_identification_status":["reserved"],"skip_password_requirement":true,
		"external_id":"store:42","private_metadata":{"store_id":"42"},"skip_legal_checks":true,"create_organization_enabled":false}`
	made := r.clerk("POST", "/users", body)
	n := made.json["id"].(string)
	email := made.json["email_addresses"].([]any)[0].(map[string]any)

	if made.status != http.StatusOK || !strings.HasPrefix(n, "user_") || email["reserved"] != true || email["verification"] != nil {
		t.Errorf("create: %d %s", made.status, made.raw)
	}
	if made.json["primary_email_address_id"] != email["id"] {
		t.Error("the address is not the primary one")
	}
	verified := r.clerk("GET", "/users/"+r.createUser("other@shop.example"), "").json["email_addresses"].([]any)[0].(map[string]any)
	if verified["reserved"] != false || verified["verification"].(map[string]any)["status"] != "verified" {
		t.Errorf("an address made without a status: %v", verified)
	}

	var found []map[string]any
	for query, want := range map[string]int{
		"": 2,
		"?email_address=" + url.QueryEscape("owner+1@SHOP.example"):   1,
		"?email_address=a@b.example":                                  0,
		"?email_address=a@b.example&email_address=other@shop.example": 1,
		"?external_id=store:42":                                       1,
		"?external_id=-store:42":                                      1,
		"?user_id=" + n:                                               1,
		"?query=shop":                                                 2,
		"?limit=1":                                                    1,
		"?limit=10&offset=1":                                          1,
	} {
		if err := json.Unmarshal(r.clerk("GET", "/users"+query, "").raw, &found); err != nil || len(found) != want {
			t.Errorf("GET /users%s gives %d, want %d (%v)", query, len(found), want, err)
		}
	}
	if got := r.clerk("GET", "/users/count?external_id=store:42", "").json["total_count"]; got != 1.0 {
		t.Errorf("count %v", got)
	}
	r.clerk("PATCH", "/users/"+n+"/metadata", `{"private_metadata":{"a":{"b":1,"c":2}}}`)
	merged := r.clerk("PATCH", "/users/"+n+"/metadata", `{"private_metadata":{"a":{"b":null,"d":3}}}`)
	want := map[string]any{"store_id": "42", "a": map[string]any{"c": 2.0, "d": 3.0}}
	if diff := cmp.Diff(want, merged.json["private_metadata"]); diff != "" {
		t.Errorf("merged metadata (-want +got):\n%s", diff)
	}
	replaced := r.clerk("PUT", "/users/"+n+"/metadata", `{"private_metadata":{"x":1}}`)
	if diff := cmp.Diff(map[string]any{"x": 1.0}, replaced.json["private_metadata"]); diff != "" {
		t.Errorf("replaced metadata (-want +got):\n%s", diff)
	}
	if out := r.clerk("POST", "/users/"+n+"/ban", "null"); out.json["banned"] != true {
		t.Errorf("ban: %s", out.raw)
	}
	gone := r.clerk("DELETE", "/users/"+n, "null")
	if diff := cmp.Diff(map[string]any{"object": "user", "id": n, "deleted": true, "external_id": "store:42"}, gone.json); diff != "" {
		t.Errorf("delete (-want +got):\n%s", diff)
	}
}

func TestClerkErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.SetOptions(sandbox.Options{OrganizationQuota: 2})
	user := r.createUser("taken@shop.example")
	r.clerk("PATCH", "/users/"+user, `{"external_id":"ext"}`)
	org := r.createOrganization("One")
	members := "/organizations/" + org + "/memberships"
	r.clerk("POST", members, `{"user_id":"`+user+`","role":"org:admin"}`)
	r.createOrganization("Two")
	const skip = `,"skip_password_requirement":true}`
	do := func(key, method, path, body string) reply {
		return r.do(method, r.ClerkURL(r.base)+path, key, "application/json", body)
	}
	tests := []struct {
		name   string
		out    reply
		status int
		code   string
		param  string
	}{
		{"no key", do("", "GET", "/users", ""), 401, "authorization_header_format_invalid", ""},
		{"wrong key", do("sk_test_wrong", "GET", "/users", ""), 401, "clerk_key_invalid", ""},
		{"unknown version", r.clerk("GET", "/users?__clerk_api_version=1999-01-01", ""), 400, "api_version_invalid", ""},
		{"unknown path", r.clerk("GET", "/nonsense", ""), 404, "resource_not_found", ""},
		{"no user", r.clerk("GET", "/users/user_x", ""), 404, "resource_not_found", ""},
		{"no organization", r.clerk("GET", "/organizations/org_x", ""), 404, "resource_not_found", ""},
		{"taken address", r.clerk("POST", "/users", `{"email_address":["TAKEN@shop.example"]`+skip), 422, "form_identifier_exists", "email_address"},
		{"taken external id", r.clerk("POST", "/users", `{"email_address":["x@y.example"],"external_id":"ext"`+skip), 422, "form_identifier_exists", "external_id"},
		{"no address", r.clerk("POST", "/users", `{"first_name":"A"`+skip), 422, "form_data_missing", "email_address"},
		{"bad address", r.clerk("POST", "/users", `{"email_address":["x"]`+skip), 422, "form_param_format_invalid", "email_address"},
		{"password wanted", r.clerk("POST", "/users", `{"email_address":["x@y.example"]}`), 422, "form_data_missing", "password"},
		{"unknown field", r.clerk("POST", "/users", `{"email":"x"}`), 422, "form_param_unknown", "email"},
		{"bad status", r.clerk("POST", "/users", `{"email_address":["x@y.example"],"email_address_identification_status":["maybe"]`+skip), 422, "form_param_value_invalid", "email_address_identification_status"},
		{"no name", r.clerk("POST", "/organizations", `{}`), 422, "form_param_nil", "name"},
		{"name with an address", r.clerk("POST", "/organizations", `{"name":"see https://x.example"}`), 422, "form_param_format_invalid", "name"},
		{"name with markup", r.clerk("POST", "/organizations", `{"name":"<b>Shop</b>"}`), 422, "form_param_format_invalid", "name"},
		{"long name", r.clerk("POST", "/organizations", `{"name":"`+strings.Repeat("م", 257)+`"}`), 422, "form_param_format_invalid", "name"},
		{"slugs off", r.clerk("POST", "/organizations", `{"name":"A","slug":"a"}`), 403, "organization_slugs_disabled", ""},
		{"external id of an organization", r.clerk("POST", "/organizations", `{"name":"A","external_id":"a"}`), 422, "form_param_unknown", "external_id"},
		{"quota", r.clerk("POST", "/organizations", `{"name":"A"}`), 403, "organization_quota_exceeded", ""},
		{"a member already", r.clerk("POST", members, `{"user_id":"`+user+`","role":"org:admin"}`), 400, "already_a_member_in_organization", ""},
		{"unknown role", r.clerk("POST", members, `{"user_id":"`+user+`","role":"admin"}`), 422, "form_param_value_invalid", "role"},
		{"member that is none", r.clerk("POST", members, `{"user_id":"user_x","role":"org:admin"}`), 404, "resource_not_found", ""},
		{"limit", r.clerk("GET", "/organizations?limit=501", ""), 422, "form_param_value_invalid", "limit"},
		{"big metadata", r.clerk("PATCH", "/organizations/"+org+"/metadata", `{"public_metadata":{"a":"`+strings.Repeat("x", 9000)+`"}}`), 422, "form_param_value_invalid", "metadata"},
		{"invites a member", r.clerk("POST", "/organizations/"+org+"/invitations", `{"email_address":"taken@shop.example","role":"org:admin"}`), 400, "already_a_member_in_organization", ""},
		{"sign-in of nobody", r.clerk("POST", "/sign_in_tokens", `{"user_id":"user_x"}`), 404, "resource_not_found", ""},
	}
	for _, tt := range tests {
		if code, param := tt.out.clerkCode(); tt.out.status != tt.status || code != tt.code || param != tt.param {
			t.Errorf("%s: %d %s %s, want %d %s %s", tt.name, tt.out.status, code, param, tt.status, tt.code, tt.param)
		}
	}
	r.SetOptions(sandbox.Options{})
	if code, _ := r.clerk("POST", "/organizations", `{"name":"A","created_by":"user_x"}`).clerkCode(); code != "organization_creator_not_found" {
		t.Errorf("creator that is none: %s", code)
	}
}

// TestClerkErrorBodies holds whole bodies against the recorded ones.
func TestClerkErrorBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sandbox.Config) { c.Options.Slugs = true })
	r.createUser("a@shop.example")
	r.clerk("POST", "/organizations", `{"name":"A","slug":"a"}`)
	tests := []struct {
		fixture string
		out     reply
	}{
		{"error_401_key", r.do("GET", r.ClerkURL(r.base)+"/users", "x", "", "")},
		{"error_404_user", r.clerk("GET", "/users/user_2gTestMerchant", "")},
		{"error_422_email_exists", r.clerk("POST", "/users", `{"email_address":["a@shop.example"],"skip_password_requirement":true}`)},
		{"error_422_slug_exists", r.clerk("POST", "/organizations", `{"name":"B","slug":"a"}`)},
	}
	for _, tt := range tests {
		b, err := os.ReadFile("testdata/clerk/" + tt.fixture + ".json")
		if err != nil {
			t.Fatal(err)
		}
		want := decode(t, b).(map[string]any)
		if diff := cmp.Diff(want["errors"], tt.out.json["errors"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.fixture, diff)
		}
		if len(tt.out.json["clerk_trace_id"].(string)) != 32 {
			t.Errorf("%s: trace id %v", tt.fixture, tt.out.json["clerk_trace_id"])
		}
	}
}

func TestClerkVersionAndMetadata(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	org := r.createOrganization("One")
	for _, path := range []string{"/organizations/" + org, "/users/" + r.createUser("a@shop.example")} {
		if out := r.clerk("PATCH", path+"?__clerk_api_version=2025-11-10", `{"public_metadata":{"a":1}}`); out.status != http.StatusOK {
			t.Errorf("%s, older version: %d %s", path, out.status, out.raw)
		}
		out := r.clerk("PATCH", path+"?__clerk_api_version=2026-05-12", `{"public_metadata":{"a":1}}`)
		if code, param := out.clerkCode(); code != "form_param_unknown" || param != "public_metadata" {
			t.Errorf("%s, newer version: %d %s", path, out.status, out.raw)
		}
	}
}

func TestClerkOrganizations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	user := r.createUser("owner@shop.example")
	for i := range 25 {
		r.createOrganization(fmt.Sprintf("Store %02d", i))
	}
	made := r.clerk("POST", "/organizations", `{"name":"متجر الورد","created_by":"`+user+`","private_metadata":{"store_id":"7"}}`)
	org := made.json["id"].(string)
	if made.json["members_count"] != 1.0 || made.json["max_allowed_memberships"] != 5.0 || made.json["slug"] != nil {
		t.Errorf("create: %s", made.raw)
	}

	for query, want := range map[string][2]int{ // records, total
		"":                    {10, 26},
		"?limit=500":          {26, 26},
		"?limit=10&offset=20": {6, 26},
		"?query=" + url.QueryEscape("الورد"): {1, 1},
		"?query=store":     {10, 25},
		"?query=" + org:    {1, 1},
		"?user_id=" + user: {1, 1},
		"?query=nothing":   {0, 0},
	} {
		out := r.clerk("GET", "/organizations"+query, "")
		data := out.json["data"].([]any)
		if len(data) != want[0] || out.json["total_count"] != float64(want[1]) {
			t.Errorf("GET /organizations%s: %d of %v, want %v", query, len(data), out.json["total_count"], want)
		}
	}
	members := r.clerk("GET", "/organizations/"+org+"/memberships?user_id="+user, "")
	first := members.json["data"].([]any)[0].(map[string]any)
	if members.json["total_count"] != 1.0 || first["role"] != "org:admin" || first["public_user_data"].(map[string]any)["identifier"] != "owner@shop.example" {
		t.Errorf("the creator's membership: %s", members.raw)
	}
	for i := range 5 { // the fifth is one too many
		other := r.createUser(fmt.Sprintf("m%d@shop.example", i))
		out := r.clerk("POST", "/organizations/"+org+"/memberships", `{"user_id":"`+other+`","role":"org:member"}`)
		if code, _ := out.clerkCode(); (i < 4) != (out.status == http.StatusOK) || (i == 4 && code != "organization_membership_quota_exceeded") {
			t.Errorf("member %d: %d %s", i+2, out.status, out.raw)
		}
	}
	gone := r.clerk("DELETE", "/organizations/"+org, "null")
	if gone.json["deleted"] != true || r.clerk("GET", "/organizations/"+org+"/memberships", "").status != http.StatusNotFound {
		t.Errorf("delete: %s", gone.raw)
	}
}

func TestClerkInvitations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	org := r.createOrganization("One")
	path := "/organizations/" + org + "/invitations"
	known, err := r.PreexistingUser("known@shop.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.PreexistingUser("KNOWN@shop.example"); err == nil {
		t.Error("two users have one address")
	}

	invite := func(email string) reply {
		return r.clerk("POST", path, `{"email_address":"`+email+`","role":"org:admin","private_metadata":{"store_id":"42"}}`)
	}
	first, second, third := invite("known@shop.example"), invite("new@shop.example"), invite("never@shop.example")
	if first.status != http.StatusOK || first.json["status"] != "pending" || first.json["organization_id"] != org {
		t.Fatalf("invite: %d %s", first.status, first.raw)
	}
	if code, _ := invite("Known@shop.example").clerkCode(); code != "organization_invitation_not_unique" {
		t.Errorf("twice: %s", code)
	}
	if got := r.clerk("GET", "/organizations/"+org, "").json["pending_invitations_count"]; got != 3.0 {
		t.Errorf("%v are pending, want 3", got)
	}
	for _, inv := range []reply{first, second} {
		if err := r.AcceptInvitation(inv.json["id"].(string)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.AcceptInvitation(first.json["id"].(string)); err == nil {
		t.Error("accepting twice is no error")
	}
	r.clerk("POST", path+"/"+third.json["id"].(string)+"/revoke", `{}`)

	for status, want := range map[string]float64{"pending": 0, "accepted": 2, "revoked": 1} {
		if got := r.clerk("GET", path+"?status="+status, "").json["total_count"]; got != want {
			t.Errorf("%v are %s, want %v", got, status, want)
		}
	}
	if out := r.clerk("GET", "/organizations/"+org+"/memberships?user_id="+known, ""); out.json["total_count"] != 1.0 {
		t.Errorf("the one who was there before is no member: %s", out.raw)
	}
	state := r.ClerkState()
	if len(state.Users) != 2 || len(state.Memberships) != 2 || len(state.Invitations) != 3 || len(state.Organizations) != 1 {
		t.Errorf("state: %+v", state)
	}
	r.settle()
	if n := len(r.app.event(t, "organizationMembership.created")); n != 2 {
		t.Errorf("%d memberships were told, want 2", n)
	}
}

func TestClerkWebhooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.app.answers(func(n int, _ message) int {
		if n == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	})
	user := r.createUser("owner@shop.example")
	r.app.await(t, "the resend", func() bool { return r.Deliveries()[0].State == sandbox.DeliveryDelivered })

	got := r.app.messages()
	if len(got) != 2 || got[0].path != "/webhooks/clerk" {
		t.Fatalf("%d webhooks to %s", len(got), got[0].path)
	}
	for _, m := range got {
		h := m.header
		if h.Get("svix-signature") != sandbox.SvixSignature(svixSecret, h.Get("svix-id"), h.Get("svix-timestamp"), m.body) {
			t.Error("the signature does not fit")
		}
		if at, err := strconv.ParseInt(h.Get("svix-timestamp"), 10, 64); err != nil || time.Since(time.Unix(at, 0)) > time.Minute {
			t.Errorf("timestamp %q", h.Get("svix-timestamp"))
		}
	}
	if got[0].header.Get("svix-id") != got[1].header.Get("svix-id") {
		t.Error("the id changed with the resend")
	}
	if v := got[0].json(t); v["object"] != "event" || v["instance_id"] != "ins_2sandboxInstance" || v["data"].(map[string]any)["id"] != user {
		t.Errorf("envelope: %s", got[0].body)
	}
}

func TestClerkLimits(t *testing.T) {
	t.Parallel()
	at := newClock()
	r := newRig(t, func(c *sandbox.Config) { c.Now, c.Options.ClerkLimits = at.now, true })
	for i := range 100 {
		if out := r.clerk("GET", "/users", ""); out.status != http.StatusOK {
			t.Fatalf("call %d: status %d", i+1, out.status)
		}
	}
	out := r.clerk("GET", "/users", "")
	if code, _ := out.clerkCode(); out.status != http.StatusTooManyRequests || code != "too_many_requests" || out.header.Get("Retry-After") != "10" {
		t.Errorf("call 101: %d, Retry-After %q, %s", out.status, out.header.Get("Retry-After"), out.raw)
	}
	if out := r.clerk("GET", "/jwks", ""); out.status != http.StatusOK {
		t.Errorf("jwks: status %d", out.status)
	}
	org := r.createOrganization("One")
	for i := range 11 {
		if out := r.clerk("PATCH", "/organizations/"+org, fmt.Sprintf(`{"name":"N%d"}`, i)); (out.status == http.StatusOK) != (i < 10) {
			t.Errorf("update %d of one organization: status %d", i+1, out.status)
		}
	}
	at.add(10 * time.Second)
	if out := r.clerk("GET", "/users", ""); out.status != http.StatusOK {
		t.Errorf("ten seconds later: status %d", out.status)
	}
}

func TestSignInTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	user, org := r.createUser("owner@shop.example"), r.createOrganization("One")
	body := `{"user_id":"` + user + `","org_id":"` + org + `","expires_in_seconds":300}`
	if out := r.clerk("POST", "/sign_in_tokens", body); out.status != http.StatusForbidden {
		t.Errorf("into an organization of others: status %d, want 403", out.status)
	}
	r.clerk("POST", "/organizations/"+org+"/memberships", `{"user_id":"`+user+`","role":"org:admin"}`)
	out := r.clerk("POST", "/sign_in_tokens", body)
	token, _ := out.json["token"].(string)
	if out.json["status"] != "pending" || token == "" || !strings.Contains(out.json["url"].(string), token) {
		t.Errorf("create: %s", out.raw)
	}
	if out := r.clerk("POST", "/sign_in_tokens/"+out.json["id"].(string)+"/revoke", "null"); out.json["status"] != "revoked" || out.json["token"] != nil {
		t.Errorf("revoke: %s", out.raw)
	}
}
