package main

import (
	"context"
	"errors"

	"github.com/wosool/wosool/internal/telemetry"
)

type healthCmd struct {
	Addr string `help:"Where the sandbox listens." default:"127.0.0.1:8090" env:"SANDBOX_ADDR"`
}

// Run asks for Twenty's health, which the sandbox serves without any state.
func (c *healthCmd) Run(ctx context.Context, o *output) error {
	if telemetry.Healthcheck(ctx, c.Addr, "/twenty/healthz", o.err) != 0 {
		return errors.New("the sandbox does not answer")
	}
	return nil
}
