package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// sealDoc seals v, as JSON, for one purpose.
func (s *Server) sealDoc(v any, ad string) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return s.Inbox.Keys.Seal(doc, ad)
}

// openDoc opens what sealDoc gave for the same purpose.
func (s *Server) openDoc(sealed []byte, ad string, v any) error {
	doc, err := s.Inbox.Keys.Open(sealed, ad)
	if err != nil {
		return fmt.Errorf("no key of SECRET_KEYSET opens it: %w", err)
	}
	return json.Unmarshal(doc, v)
}

// sealText is sealDoc for a form or a cookie.
func (s *Server) sealText(v any, ad string) (string, error) {
	sealed, err := s.sealDoc(v, ad)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// openText opens what sealText gave for the same purpose; what is anything else is
// not opened.
func (s *Server) openText(text, ad string, v any) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && s.openDoc(sealed, ad, v) == nil
}
