package bus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A handler sees of its context what it would of any with a deadline.
func TestDatedContextSaysWhyItIsDone(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		want  error
	}{
		{"by its deadline", errDeadline, context.DeadlineExceeded},
		{"by the owner", errCancelled, context.Canceled},
		{"by the worker", errShutdown, context.Canceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			inner, cancel := context.WithCancelCause(t.Context())
			at := time.Now().Add(time.Minute)
			ctx := context.Context(dated{inner, at})
			if got, ok := ctx.Deadline(); !ok || !got.Equal(at) || ctx.Err() != nil {
				t.Errorf("%s: got the deadline %v and %v before it", tt.name, got, ctx.Err())
			}
			child, stop := context.WithTimeout(ctx, time.Hour)
			defer stop()
			if got, _ := child.Deadline(); !got.Equal(at) {
				t.Errorf("%s: a context below has the deadline %v, want %v", tt.name, got, at)
			}
			cancel(tt.cause)
			<-child.Done()
			if err := ctx.Err(); err != tt.want {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			}
			if cause := context.Cause(child); !errors.Is(cause, tt.cause) || !errors.Is(context.Cause(ctx), tt.cause) {
				t.Errorf("%s: got the cause %v, want %v", tt.name, cause, tt.cause)
			}
		})
	}
}
