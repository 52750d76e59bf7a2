package salla

// PlanLimit is how many requests a minute Salla documents for a store's plan. For
// basic, and for a plan that is not known, none is listed: it is the lowest that
// Salla's pages name. What an answer announces is truer.
func PlanLimit(plan string) int {
	switch plan {
	case "plus":
		return 120
	case "pro":
		return 360
	case "special":
		return 720
	}
	return 60
}
