package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// An Action is what a [Request] asks for.
type Action string

// The actions.
const (
	List   Action = "list"   // says which providers there are; no name: all
	Add    Action = "add"    // defines a provider that is not there
	Change Action = "change" // changes what the request says
	Remove Action = "remove"
	Test   Action = "test"  // has a provider list its models
	Steer  Action = "steer" // sets the state of a provider, wherever it is defined
)

// A Request asks whoever keeps the roster to do something with a provider.
type Request struct {
	Action Action `json:"action"`
	Name   string `json:"name,omitempty"`
	Set    Patch  `json:"set,omitzero"`    // for Add and Change
	State  State  `json:"state,omitempty"` // for Steer

	// Problems are what whoever asks has found wrong with the request already. One
	// with problems is only looked at, so that all of them can be told at once.
	Problems Problems `json:"problems,omitempty"`
}

// A Provider is what is shown of one, wherever it is defined. It has no key.
type Provider struct {
	Name    string        `json:"name"`
	Kind    string        `json:"kind"`
	BaseURL string        `json:"base_url,omitempty"` // without credentials
	Source  Source        `json:"source"`
	Active  bool          `json:"active,omitempty"`
	State   State         `json:"state,omitempty"` // empty: open
	HasKey  bool          `json:"has_key,omitempty"`
	Keys    int           `json:"keys,omitempty"`    // how many there are
	Timeout time.Duration `json:"timeout,omitempty"` // in nanoseconds; 0: the kind's default
	Strict  bool          `json:"strict,omitempty"`
	Beta    *bool         `json:"beta,omitempty"` // nil: the kind's default
	Pool    Pool          `json:"pool,omitzero"`
	Error   string        `json:"error,omitempty"` // why it cannot be used; empty when it can
	Limits
}

// Limits are what an operator allows of a provider's calls, over all workers.
type Limits struct {
	MaxConcurrency int `json:"max_concurrency,omitempty"` // at once; 0: the default
	RPM            int `json:"rpm,omitempty"`             // in a minute; 0: no limit
	TPM            int `json:"tpm,omitempty"`             // tokens in a minute; 0: no limit

	// Configured is what the configuration says of MaxConcurrency where that was
	// changed while allama runs; nil: it was not.
	Configured *int `json:"configured_max_concurrency,omitempty"`
}

// A Source is where a provider is defined.
type Source string

// The sources. What is defined in the environment cannot be changed, but for
// [Roster.Caps].
const (
	Environment Source = "environment"
	API         Source = "api"
)

// A Tested says how a provider has listed its models.
type Tested struct {
	Models int           `json:"models"`          // that it has
	Took   time.Duration `json:"took"`            // until the list was there, or the error; in nanoseconds
	Error  string        `json:"error,omitempty"` // empty when all is well
}

// An Answer is what came of a [Request].
type Answer struct {
	Providers []Provider `json:"providers,omitempty"` // all for List without a name; otherwise the one that was asked about, as it is now
	Tested    *Tested    `json:"tested,omitempty"`    // for Test
	Revision  uint64     `json:"revision,omitempty"`  // of the catalog in which a change is to be seen; zero: nothing has changed
	Conflict  bool       `json:"conflict,omitempty"`  // Error is that the name is taken, or that the provider is not to be changed
	Error     *llm.Error `json:"error,omitempty"`     // nil when it was done
}

// Ask asks whoever keeps the roster. That the request was refused is in the
// answer; an error says that there is none, [bus.ErrNoSync] that there is nobody
// to ask.
func Ask(ctx context.Context, nc *nats.Conn, r Request) (Answer, error) {
	a, err := bus.Ask[Request, Answer](ctx, nc, bus.SubjectProviders, r)
	if err != nil && !errors.Is(err, bus.ErrNoSync) {
		err = fmt.Errorf("ask about providers: %w", err)
	}
	return a, err
}

// Serve has each request handed to take, as [bus.Answer] does.
func Serve(nc *nats.Conn, take func(r Request, reply func(Answer))) (*nats.Subscription, error) {
	sub, err := bus.Answer(nc, bus.SubjectProviders, take)
	if err != nil {
		return nil, fmt.Errorf("serve the roster of providers: %w", err)
	}
	return sub, nil
}
