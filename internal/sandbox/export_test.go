package sandbox

// GrantForTest returns an access token without an installation.
func (s *Server) GrantForTest(merchant int64) string {
	return s.grants.issue(merchant, DefaultScopes, s.now(), s.cfg.TokenLife).access
}
