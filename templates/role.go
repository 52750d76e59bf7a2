package templates

import "context"

type roleKey struct{}

// WithRole gives what is rendered the role of who looks: viewer, operator or admin.
// What they may not do is not offered.
func WithRole(ctx context.Context, role string) context.Context {
	return context.WithValue(ctx, roleKey{}, role)
}

func roleOf(ctx context.Context) string {
	role, _ := ctx.Value(roleKey{}).(string)
	return role
}

// roleWords says what a role may do.
func roleWords(role string) string {
	switch role {
	case "viewer":
		return "Viewer: you look, and change nothing"
	case "operator":
		return "Operator: you act on stores and their work"
	case "admin":
		return "Admin: you also say who may do what"
	}
	return role
}

// MayAct tells whether who looks may act on stores and their work.
func MayAct(ctx context.Context) bool { return roleOf(ctx) != "viewer" }

// MayAdminister tells whether who looks may say who may do what.
func MayAdminister(ctx context.Context) bool { return roleOf(ctx) == "admin" }
