package access

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// A plan is only what is believed until Salla's answers tell the limit: it may be
// somewhat old.
const (
	planLife = 5 * time.Minute
	plansMax = 10_000 // tenants that are remembered
)

// plans remembers what the tenants' plans allow, so that no call has to read it.
type plans struct {
	mu    sync.Mutex
	known map[uuid.UUID]plan
}

type plan struct {
	limit int // calls a minute
	until time.Time
}

// limit tells how many calls a minute the tenant's plan allows; 0 if that cannot be
// read now.
func (p *plans) limit(ctx context.Context, db *store.DB, tenantID uuid.UUID) int {
	p.mu.Lock()
	last, ok := p.known[tenantID]
	p.mu.Unlock()
	if ok && time.Now().Before(last.until) {
		return last.limit
	}
	t, err := db.Tenant(ctx, tenantID)
	if err != nil {
		return last.limit
	}
	var name string
	if t.Plan != nil {
		name = *t.Plan
	}
	last = plan{limit: salla.PlanLimit(name), until: time.Now().Add(planLife)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= plansMax {
		p.known = map[uuid.UUID]plan{}
	}
	p.known[tenantID] = last
	return last.limit
}
