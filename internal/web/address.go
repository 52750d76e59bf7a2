package web

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// address returns the address of who asks, as far as it can be believed.
func address(ctx context.Context) string {
	a, _ := ctx.Value(keyAddress).(netip.Addr)
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// withAddress finds out who asks. X-Forwarded-For is believed only as far as
// the hops that wrote it are trusted proxies.
func (s *Server) withAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := clientAddress(r.RemoteAddr, r.Header.Values("X-Forwarded-For"), s.TrustedProxies)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), keyAddress, a)))
	})
}

// clientAddress walks from the peer to the left through what proxies noted, and
// stops at the first address that is not a trusted proxy's.
func clientAddress(peer string, forwarded []string, trusted []netip.Prefix) netip.Addr {
	ap, err := netip.ParseAddrPort(peer)
	if err != nil {
		return netip.Addr{}
	}
	client := ap.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && within(client, trusted); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // what can't be read was not written by a proxy of ours
		}
		client = hop.Unmap().WithZone("")
	}
	return client
}

func within(a netip.Addr, prefixes []netip.Prefix) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
