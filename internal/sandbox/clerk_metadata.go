package sandbox

import "encoding/json"

// metadataFields is the body of the metadata endpoints.
type metadataFields struct {
	Public  *metadata `json:"public_metadata"`
	Private *metadata `json:"private_metadata"`
	Unsafe  *metadata `json:"unsafe_metadata"`
}

// metadataAllowed refuses metadata on a plain update where the API version
// has endpoints of its own for it.
func (c *clerkCall) metadataAllowed(given ...*metadata) bool {
	names := []string{"public_metadata", "private_metadata", "unsafe_metadata"}
	for i, m := range given {
		if m != nil && c.strict {
			clerkParam(c.w, "form_param_unknown", names[i], "is unknown", names[i]+" is not a valid parameter for this request.")
			return false
		}
	}
	return true
}

// metadataFits refuses what is larger than Clerk keeps.
func (c *clerkCall) metadataFits(given ...*metadata) bool {
	for _, m := range given {
		if m == nil {
			continue
		}
		if b, err := json.Marshal(*m); err != nil || len(b) > metadataLimit {
			clerkParam(c.w, "form_param_value_invalid", "metadata", "is too large", "Metadata must not exceed 8KB.")
			return false
		}
	}
	return true
}

// merge adds from to into, deeply; null deletes a key.
func merge(into, from metadata) metadata {
	if into == nil {
		into = metadata{}
	}
	for k, v := range from {
		switch v := v.(type) {
		case nil:
			delete(into, k)
		case map[string]any:
			below, _ := into[k].(map[string]any)
			into[k] = merge(below, v)
		default:
			into[k] = v
		}
	}
	return into
}

func (in *metadataFields) merge(public, private, unsafe *metadata) {
	for _, p := range []struct{ to, from *metadata }{{public, in.Public}, {private, in.Private}, {unsafe, in.Unsafe}} {
		if p.to != nil && p.from != nil {
			*p.to = merge(*p.to, *p.from)
		}
	}
}

func (in *metadataFields) replace(public, private, unsafe *metadata) {
	for _, p := range []struct{ to, from *metadata }{{public, in.Public}, {private, in.Private}, {unsafe, in.Unsafe}} {
		if p.to != nil && p.from != nil {
			*p.to = *p.from
		}
	}
}

func (s *Server) mergeUserMetadata(c *clerkCall)   { s.setUserMetadata(c, (*metadataFields).merge) }
func (s *Server) replaceUserMetadata(c *clerkCall) { s.setUserMetadata(c, (*metadataFields).replace) }

func (s *Server) setUserMetadata(c *clerkCall, how func(in *metadataFields, public, private, unsafe *metadata)) {
	u, ok := s.theUser(c)
	if !ok {
		return
	}
	var in metadataFields
	if !c.decode(&in) || !c.metadataFits(in.Public, in.Private, in.Unsafe) {
		return
	}
	how(&in, &u.Public, &u.Private, &u.Unsafe)
	s.changedUser(c, u)
}

func (s *Server) mergeOrganizationMetadata(c *clerkCall) {
	s.setOrganizationMetadata(c, (*metadataFields).merge)
}

func (s *Server) replaceOrganizationMetadata(c *clerkCall) {
	s.setOrganizationMetadata(c, (*metadataFields).replace)
}

func (s *Server) setOrganizationMetadata(c *clerkCall, how func(in *metadataFields, public, private, unsafe *metadata)) {
	o, ok := s.theOrganization(c)
	if !ok {
		return
	}
	var in metadataFields
	if !c.decode(&in) || !c.metadataFits(in.Public, in.Private) {
		return
	}
	how(&in, &o.Public, &o.Private, nil)
	s.changedOrganization(c, o)
}

func (s *Server) mergeMembershipMetadata(c *clerkCall) {
	m, ok := s.theMembership(c)
	if !ok {
		return
	}
	var in metadataFields
	if !c.decode(&in) || !c.metadataFits(in.Public, in.Private) {
		return
	}
	in.merge(&m.Public, &m.Private, nil)
	s.changedMembership(c, m)
}
