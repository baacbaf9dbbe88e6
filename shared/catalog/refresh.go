package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
)

// A RefreshRequest asks whoever keeps the catalog to list providers now.
type RefreshRequest struct {
	Provider string        `json:"provider,omitempty"` // empty: all of them
	MaxAge   time.Duration `json:"max_age,omitempty"`  // what was listed since then is not listed again; zero: all is

	// Gone is a model of Provider that was deleted there. It is forgotten at
	// once; other models have to be missing for a while.
	Gone string `json:"gone,omitempty"`
}

// Refreshed says what came of a [RefreshRequest].
type Refreshed struct {
	Revision  uint64    `json:"revision"` // of the snapshot that has what was listed; zero: it is not published yet
	Providers []Outcome `json:"providers"`

	// Unknown says that there is no provider of the name that was asked for.
	Unknown bool `json:"unknown,omitempty"`
}

// An Outcome is how the last listing of a provider went.
type Outcome struct {
	Provider string    `json:"provider"`
	Models   int       `json:"models"`          // that are known, old ones too
	Error    string    `json:"error,omitempty"` // empty when it succeeded
	SyncedAt time.Time `json:"synced_at,omitzero"`
}

// Refresh has providers listed, and waits until that is done. A provider that
// cannot be listed is no error, but has one in its [Outcome]. The view has the
// new models when it has the revision that is returned, or a later one.
//
// The error is [bus.ErrNoSync] when nobody keeps the catalog.
func (v *View) Refresh(ctx context.Context, r RefreshRequest) (Refreshed, error) {
	done, err := bus.Ask[RefreshRequest, Refreshed](ctx, v.js.Conn(), bus.SubjectSync, r)
	if err != nil && !errors.Is(err, bus.ErrNoSync) {
		err = fmt.Errorf("refresh the catalog: %w", err)
	}
	return done, err
}

// ServeRefreshes has each request handed to take, as [bus.Answer] does.
func ServeRefreshes(nc *nats.Conn, take func(r RefreshRequest, reply func(Refreshed))) (*nats.Subscription, error) {
	sub, err := bus.Answer(nc, bus.SubjectSync, take)
	if err != nil {
		return nil, fmt.Errorf("serve refreshes of the catalog: %w", err)
	}
	return sub, nil
}
