package sandbox

// status is a state of an order. Shops rename them; the slug stays.
type status struct {
	slug, name string
}

// orderStatuses are all that Salla documents.
func orderStatuses() []status {
	return []status{
		{"payment_pending", "بإنتظار الدفع"},
		{"under_review", "بإنتظار المراجعة"},
		{"in_progress", "قيد التنفيذ"},
		{"completed", "تم التنفيذ"},
		{"delivering", "جاري التوصيل"},
		{"delivered", "تم التوصيل"},
		{"shipped", "تم الشحن"},
		{"canceled", "ملغي"},
		{"restored", "مسترجع"},
		{"restoring", "قيد الإسترجاع"},
	}
}

// Places of the statuses in orderStatuses.
const (
	paymentPending = iota
	underReview
	inProgress
	completed
	delivering
	delivered
	shipped
	canceled
	restored
	restoring
)

func statusBySlug(slug string) (uint8, bool) {
	for i, s := range orderStatuses() {
		if s.slug == slug {
			return uint8(i), true
		}
	}
	return 0, false
}

// statusAt gives the status an order of this age has settled in.
func statusAt(h uint64, age int64) uint8 {
	const day = 24 * 60 * 60
	roll := die(h, 11, 100)
	switch {
	case age < day:
		return [...]uint8{paymentPending, underReview, underReview, inProgress, inProgress}[roll%5]
	case age < 5*day:
		return [...]uint8{paymentPending, underReview, inProgress, shipped, delivering, shipped, delivering, delivered, completed, canceled}[roll%10]
	case roll < 62:
		return completed
	case roll < 80:
		return delivered
	case roll < 89:
		return canceled
	case roll < 94:
		return restored
	case roll < 96:
		return restoring
	case roll < 98:
		return shipped
	}
	return paymentPending
}

// statusNext is the usual way of an order that goes well.
func statusNext(s uint8) (uint8, bool) {
	switch s {
	case paymentPending:
		return underReview, true
	case underReview:
		return inProgress, true
	case inProgress:
		return shipped, true
	case shipped:
		return delivering, true
	case delivering:
		return delivered, true
	case delivered:
		return completed, true
	case restoring:
		return restored, true
	}
	return s, false
}
