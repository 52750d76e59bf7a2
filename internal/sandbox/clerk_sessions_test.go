package sandbox_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

func TestSessionTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	user, org := r.createUser("owner@shop.example"), r.createOrganization("One")
	if _, err := r.SessionToken(user, org); err == nil {
		t.Error("a session in an organization of others is no error")
	}
	r.clerk("POST", "/organizations/"+org+"/memberships", `{"user_id":"`+user+`","role":"org:admin"}`)
	in, err := r.SessionToken(user, org)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.SessionToken(user, "")
	if err != nil {
		t.Fatal(err)
	}

	header, claims := r.verify(in)
	if header["alg"] != "RS256" || header["typ"] != "JWT" || header["cat"] != "cl_B7d4PD111AAA" {
		t.Errorf("header: %v", header)
	}
	active := claims["o"].(map[string]any)
	if claims["v"] != 2.0 || claims["sub"] != user || claims["iss"] != r.Issuer() || claims["azp"] != publicURL || active["id"] != org || active["rol"] != "admin" {
		t.Errorf("claims: %v", claims)
	}
	if claims["exp"].(float64)-claims["iat"].(float64) != 60 {
		t.Errorf("lives from %v to %v", claims["iat"], claims["exp"])
	}
	missing(t, "clerk/session_token_v2", []any{map[string]any{"header": header, "payload": claims}}, "payload.o.slg")
	if _, claims := r.verify(out); claims["o"] != nil {
		t.Errorf("claims without an organization: %v", claims)
	}
	odd, err := r.SignJWT(map[string]any{"cat": nil, "typ": "at+jwt"}, map[string]any{"sub": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if header, _ := r.verify(odd); header["cat"] != nil || header["typ"] != "at+jwt" {
		t.Errorf("header of one's own: %v", header)
	}
}

// verify checks a token against the published keys and returns its parts.
func (r *rig) verify(token string) (header, claims map[string]any) {
	r.t.Helper()
	var set struct {
		Keys []struct{ Kid, Alg, Kty, N, E string }
	}
	public := r.do("GET", r.JWKSURL(r.base), "", "", "")
	private := r.clerk("GET", "/jwks", "")
	if string(public.raw) != string(private.raw) {
		r.t.Error("the two key sets differ")
	}
	if err := json.Unmarshal(public.raw, &set); err != nil || len(set.Keys) != 1 {
		r.t.Fatalf("keys: %v %s", err, public.raw)
	}
	parts := strings.Split(token, ".")
	part := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			r.t.Fatal(err)
		}
		return b
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(part(set.Keys[0].N)), E: int(new(big.Int).SetBytes(part(set.Keys[0].E)).Int64())}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], part(parts[2])); err != nil {
		r.t.Errorf("signature: %v", err)
	}
	header, claims = decode(r.t, part(parts[0])).(map[string]any), decode(r.t, part(parts[1])).(map[string]any)
	if header["kid"] != set.Keys[0].Kid {
		r.t.Errorf("kid %v, published %v", header["kid"], set.Keys[0].Kid)
	}
	return header, claims
}
