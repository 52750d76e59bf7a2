package main

import (
	"context"

	"github.com/wosool/wosool/internal/store"
)

type operatorResetSecondFactorCmd struct {
	Email string `arg:"" help:"The operator's e-mail address."`
}

// Run switches an operator's second factor off for them.
func (c *operatorResetSecondFactorCmd) Run(ctx context.Context, a *app) error {
	return a.operatorAct(ctx, c.Email, "has no second factor any more", (*store.DB).ResetSecondFactor)
}

type operatorRemovePasskeysCmd struct {
	Email string `arg:"" help:"The operator's e-mail address."`
}

// Run removes an operator's passkeys for them.
func (c *operatorRemovePasskeysCmd) Run(ctx context.Context, a *app) error {
	return a.operatorAct(ctx, c.Email, "has no passkey any more", (*store.DB).RemovePasskeys)
}
