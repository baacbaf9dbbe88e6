package catalogsync

import (
	"context"
	"errors"
	"log/slog"

	"github.com/offbeat-studio/allama/shared/logging"
)

// reports logs troubles once. Only one goroutine may use it.
type reports struct {
	log     *slog.Logger
	failing map[string]string // troubles that were logged, and their error
}

// say logs a trouble when it begins or changes, and that a trouble that was
// logged is over when err is nil.
func (r *reports) say(ctx context.Context, level slog.Level, trouble string, err error) {
	last := r.failing[trouble]
	switch {
	case err == nil && last != "":
		delete(r.failing, trouble)
		r.log.Log(ctx, level, "over: "+trouble)
	case !r.log.Enabled(ctx, level): // then its end is not to be told, either
	case err != nil && err.Error() != last && !errors.Is(err, context.Canceled):
		r.failing[trouble] = err.Error()
		r.log.Log(ctx, level, trouble, slog.Any(logging.KeyError, err))
	}
}
