package sandbox

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// grant is what one consent of a merchant gave, with every token that
// descends from it. A reuse of any of its refresh tokens ends all of them.
type grant struct {
	merchant int64
	scope    string
	revoked  bool
}

// authority is what a living access token stands for.
type authority struct {
	merchant int64
	scope    string
	expires  time.Time
}

// allows says whether the token covers a scope.
func (a authority) allows(scope string) bool { return covers(a.scope, scope) }

// covers says whether granted scopes hold one; the right to write covers
// reading.
func covers(granted, scope string) bool {
	held := strings.Fields(granted)
	if slices.Contains(held, scope) {
		return true
	}
	resource, ok := strings.CutSuffix(scope, ".read")
	return ok && slices.Contains(held, resource+".read_write")
}

// accessToken and refreshToken are one token of a grant.
type accessToken struct {
	*grant
	expires time.Time
}

type refreshToken struct {
	*grant
	used bool
	sent int // how often it came, but for requests answered 429
}

// authorizationCode is a consent on its way back to the app.
type authorizationCode struct {
	merchant    int64
	scope       string
	redirectURI string
	expires     time.Time
	used        bool
}

// tokens is what a token request or an authorize event hands over.
type tokens struct {
	access, refresh string
	scope           string
	expires         time.Time
}

// grants is Salla's OAuth server.
type grants struct {
	mu      sync.Mutex
	access  map[string]*accessToken
	refresh map[string]*refreshToken
	codes   map[string]*authorizationCode

	refreshes int // answered with new tokens
	reuses    int // detected
	resent    int // came again
	pruned    time.Time
}

func newGrants() *grants {
	return &grants{
		access: map[string]*accessToken{}, refresh: map[string]*refreshToken{},
		codes: map[string]*authorizationCode{},
	}
}

// issue makes a new grant.
func (g *grants) issue(merchant int64, scope string, now time.Time, life time.Duration) tokens {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mint(&grant{merchant: merchant, scope: scope}, now, life)
}

// mint adds a pair of tokens to a grant. Without offline_access there is no
// refresh token.
func (g *grants) mint(of *grant, now time.Time, life time.Duration) tokens {
	t := tokens{access: token("ory_at_"), scope: of.scope, expires: now.Add(life)}
	g.access[t.access] = &accessToken{of, t.expires}
	if covers(of.scope, "offline_access") {
		t.refresh = token("ory_rt_")
		g.refresh[t.refresh] = &refreshToken{grant: of}
	}
	return t
}

func token(prefix string) string { return prefix + secretText(43) + "." + secretText(43) }

// authorised returns what a living access token stands for.
func (g *grants) authorised(token string, now time.Time) (authority, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.access[token]
	if !ok || t.revoked || !now.Before(t.expires) {
		return authority{}, false
	}
	return authority{t.merchant, t.scope, t.expires}, true
}

// merchantOf says whose an access or refresh token is, alive or not; 0: nobody's.
func (g *grants) merchantOf(token string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t, ok := g.access[token]; ok {
		return t.merchant
	}
	if t, ok := g.refresh[token]; ok {
		return t.merchant
	}
	return 0
}

// exchange answers a refresh. Each token works once: a second use ends every
// token of its grant.
func (g *grants) exchange(token string, now time.Time, life time.Duration) (tokens, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.refresh[token]
	if !ok {
		return tokens{}, false
	}
	if t.used {
		g.reuses++
		t.revoked = true
		return tokens{}, false
	}
	if t.revoked {
		return tokens{}, false
	}
	t.used = true
	g.refreshes++
	return g.mint(t.grant, now, life), true
}

// redeem answers an authorization code. Each is good once; a second use is refused,
// and what the first one gave lives on: nothing else is known of Salla.
func (g *grants) redeem(code, redirectURI string, now time.Time, life time.Duration) (tokens, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.codes[code]
	if !ok || c.used || !now.Before(c.expires) || c.redirectURI != redirectURI {
		return tokens{}, false
	}
	c.used = true
	return g.mint(&grant{merchant: c.merchant, scope: c.scope}, now, life), true
}

func (g *grants) addCode(c authorizationCode) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	code := token("ory_ac_")
	g.codes[code] = &c
	return code
}

// revoke ends every grant of a merchant.
func (g *grants) revoke(merchant int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.access {
		if t.merchant == merchant {
			t.revoked = true
		}
	}
	for _, t := range g.refresh {
		if t.merchant == merchant {
			t.revoked = true
		}
	}
}

// expire makes a merchant's access tokens too old; their refresh tokens live.
func (g *grants) expire(merchant int64, now time.Time) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, t := range g.access {
		if t.merchant == merchant && !t.revoked && now.Before(t.expires) {
			t.expires = now
			n++
		}
	}
	return n
}

// counts returns how many refreshes were answered, how many reuses seen, and how
// often a refresh token came again.
func (g *grants) counts() (refreshes, reuses, resent int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refreshes, g.reuses, g.resent
}

// prune forgets access tokens that are long over, so that a long soak does not
// grow without end. Refresh tokens are never forgotten: a reuse must be seen.
func (g *grants) prune(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.pruned) < time.Minute {
		return
	}
	g.pruned = now
	maps.DeleteFunc(g.access, func(_ string, t *accessToken) bool { return now.Sub(t.expires) > time.Hour })
}

// ExpireTokens makes a merchant's access tokens invalid from now on and
// returns how many there were. Refresh tokens stay good.
func (s *Server) ExpireTokens(merchant int64) int { return s.grants.expire(merchant, s.now()) }

// RevokeTokens ends every grant of a merchant, as a revocation by Salla would.
func (s *Server) RevokeTokens(merchant int64) { s.grants.revoke(merchant) }
