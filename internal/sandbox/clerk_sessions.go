package sandbox

import (
	"crypto"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
)

// clerkKeys is the instance's signing key, made when it is first asked for:
// many tests never need it.
type clerkKeys struct {
	once sync.Once
	key  *rsa.PrivateKey
	err  error
}

func (k *clerkKeys) get() (*rsa.PrivateKey, error) {
	k.once.Do(func() { k.key, k.err = rsa.GenerateKey(crand.Reader, 2048) })
	return k.key, k.err
}

func (s *Server) showKeys(c *clerkCall) { s.publicKeys(c.w, c.r) }

// publicKeys answers the instance's key set.
func (s *Server) publicKeys(w http.ResponseWriter, _ *http.Request) {
	key, err := s.clerk.keys.get()
	if err != nil {
		clerkError(w, http.StatusInternalServerError, "internal_clerk_error", "internal error", "no key")
		return
	}
	b64 := base64.RawURLEncoding
	body, _ := json.Marshal(map[string]any{"keys": []map[string]any{{ // cannot fail: strings only
		"use": "sig", "kty": "RSA", "kid": s.cfg.ClerkInstanceID, "alg": "RS256",
		"n": b64.EncodeToString(key.N.Bytes()),
		"e": b64.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}}})
	writeJSON(w, http.StatusOK, body)
}

// SessionToken signs a session of a user, active in an organization that the
// user is a member of, or in none where org is "". It lives a minute.
func (s *Server) SessionToken(user, org string) (string, error) {
	now := s.now().Unix()
	claims := map[string]any{
		"v": 2, "iss": s.cfg.ClerkIssuer, "sub": user, "sid": "sess_" + secretText(27), "jti": secretText(20),
		"azp": s.cfg.PublicURL, "iat": now, "nbf": now - 10, "exp": now + 60, "sts": "active", "fva": []int{1, -1}, "pla": "o:free",
	}
	if org != "" {
		s.clerk.mu.Lock()
		defer s.clerk.mu.Unlock()
		o := s.clerk.organization(org)
		if o == nil {
			return "", fmt.Errorf("session token: no organization %s", org)
		}
		m := s.clerk.membership(o, user)
		if m == nil {
			return "", fmt.Errorf("session token: %s is not a member of %s", user, org)
		}
		active := map[string]any{"id": o.ID, "rol": strings.TrimPrefix(m.Role, "org:"), "per": "manage,read", "fpm": "3,2"}
		if o.Slug != nil {
			active["slg"] = *o.Slug
		}
		claims["o"] = active
		claims["fea"] = "o:dashboard,o:teams"
	}
	return s.SignJWT(nil, claims)
}

// SignJWT signs any claims with the instance's key. The header is that of a
// session token, changed by the given values; nil removes one.
func (s *Server) SignJWT(header, claims map[string]any) (string, error) {
	key, err := s.clerk.keys.get()
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	head := map[string]any{"alg": "RS256", "typ": "JWT", "kid": s.cfg.ClerkInstanceID, "cat": "cl_B7d4PD111AAA"}
	for k, v := range header {
		if v == nil {
			delete(head, k)
			continue
		}
		head[k] = v
	}
	h, err := json.Marshal(head)
	if err != nil {
		return "", fmt.Errorf("sign token: header: %w", err)
	}
	p, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("sign token: claims: %w", err)
	}
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString(h) + "." + b64.EncodeToString(p)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(crand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed + "." + b64.EncodeToString(sig), nil
}

// traceID is a clerk_trace_id.
func traceID() string {
	var b [16]byte
	_, _ = crand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}
