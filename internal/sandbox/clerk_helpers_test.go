package sandbox_test

// createUser makes a user through the API and returns the id.
func (r *rig) createUser(email string) string {
	r.t.Helper()
	out := r.clerk("POST", "/users", `{"email_address":["`+email+`"],"first_name":"Ada","last_name":"Merchant","skip_password_requirement":true}`)
	if out.status != 200 {
		r.t.Fatalf("create user: %d: %s", out.status, out.raw)
	}
	return out.json["id"].(string)
}

func (r *rig) createOrganization(name string) string {
	r.t.Helper()
	out := r.clerk("POST", "/organizations", `{"name":"`+name+`","private_metadata":{"store_id":"42"}}`)
	if out.status != 200 {
		r.t.Fatalf("create organization: %d: %s", out.status, out.raw)
	}
	return out.json["id"].(string)
}
