package main

import (
	"context"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/access"
	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/worker"
)

// polite is access for imports. Once a call is answered, what it brought is landed:
// that is what keeps the processors and PostgreSQL busy, so before it a merchant who
// is being set up goes first.
type polite struct{ *access.Access }

// Do implements imports.Access.
func (p polite) Do(
	ctx context.Context, tenantID uuid.UUID, merchant int64, class budget.Class,
	fn func(ctx context.Context, c *salla.Client) error,
) error {
	err := p.Access.Do(ctx, tenantID, merchant, class, fn)
	if err == nil {
		worker.StepAside(ctx)
	}
	return err
}
