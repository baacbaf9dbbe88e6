package main

import (
	"context"
	"time"

	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers"
)

// A poolEnv holds the variables that only providers of Ollama's kind have.
type poolEnv struct {
	Parallel    *int           `env:"PARALLEL"`          // calls at once of one host
	MaxLoaded   *int           `env:"MAX_LOADED"`        // models that a host has room for
	SwitchAfter *time.Duration `env:"SWITCH_AFTER"`      // the longest wait for another model to make room
	PerModel    *int           `env:"MODEL_CONCURRENCY"` // calls at once of one model
	Context     roster.Context `env:"NUM_CTX"`
}

// fillKind reads the variables that only providers of one kind have.
func (l *loader) fillKind(ctx context.Context, p *workers.ProviderConfig) error {
	if p.Kind == nameOllama {
		return l.fillPool(ctx, p)
	}
	return l.fillBeta(ctx, p)
}

func (l *loader) fillPool(ctx context.Context, p *workers.ProviderConfig) error {
	env := poolEnv{}
	if err := l.fillProvider(ctx, p.Name, &env); err != nil {
		return err
	}
	atLeastOne := func(name string, value *int) int {
		if value == nil {
			return 0
		}
		if *value < 1 {
			l.problem(variable(p.Name, name), "%d is too small: 1 is the least; leave it out for the default", *value)
		}
		return *value
	}
	p.Pool = workers.Pool{
		Parallel: atLeastOne("PARALLEL", env.Parallel), MaxLoaded: atLeastOne("MAX_LOADED", env.MaxLoaded),
		PerModel: atLeastOne("MODEL_CONCURRENCY", env.PerModel), Context: env.Context.Tokens, Fixed: env.Context.Fixed,
	}
	if env.SwitchAfter != nil {
		if p.Pool.SwitchAfter = *env.SwitchAfter; p.Pool.SwitchAfter <= 0 {
			l.problem(variable(p.Name, "SWITCH_AFTER"), "%v is too short: leave it out for the default", p.Pool.SwitchAfter)
		}
	}
	return nil
}
