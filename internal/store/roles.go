package store

import "slices"

// Role is what an operator may do in the console.
type Role string

// The roles, each of which may do all that the one before it may.
const (
	RoleViewer   Role = "viewer"   // looks
	RoleOperator Role = "operator" // acts on stores and their work
	RoleAdmin    Role = "admin"    // says who may do what
)

// Roles returns the roles, the least first.
func Roles() []Role { return []Role{RoleViewer, RoleOperator, RoleAdmin} }

// Covers tells whether whoever has the role may do what needs the other. What is no
// role covers nothing and is covered by none.
func (r Role) Covers(needed Role) bool {
	has, needs := slices.Index(Roles(), r), slices.Index(Roles(), needed)
	return has >= 0 && needs >= 0 && has >= needs
}
