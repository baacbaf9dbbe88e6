package bus

import (
	"context"
	"errors"
	"time"
)

// dated is a context that somebody cancels at the deadline because of
// errDeadline. It costs less than a context with a deadline of its own below one
// that can be cancelled with another cause. Contexts below it say of themselves that
// they were cancelled, with that cause.
type dated struct {
	context.Context
	deadline time.Time
}

// Deadline implements [context.Context].
func (d dated) Deadline() (time.Time, bool) { return d.deadline, true }

// Err implements [context.Context].
func (d dated) Err() error {
	err := d.Context.Err()
	if err != nil && errors.Is(context.Cause(d.Context), errDeadline) {
		return context.DeadlineExceeded
	}
	return err
}
