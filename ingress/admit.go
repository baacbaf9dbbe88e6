package ingress

import (
	"context"

	"github.com/offbeat-studio/allama/shared/bus"
)

// relay has a worker perform the job, and writes its answer to the client.
func (x *exchange) relay(ctx context.Context, job bus.Job) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	call, err := x.endpoint.server.owner.Call(job)
	if err != nil {
		return err
	}
	defer func() { x.attempts, x.queued = call.Attempts(), call.Queued() }()
	return x.ownField(newRelay(x, call, cancel).run(ctx))
}
