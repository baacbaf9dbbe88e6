package ingress

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/offbeat-studio/allama/shared/logging"
)

// follow sends what comes to a reader, as it comes.
func (w *response) follow(ctx context.Context, rd *reader) {
	gone, flushed := ctx.Done(), true
	for {
		p := rd.next()
		if p.status != 0 && w.status == 0 {
			maps.Copy(w.Header(), p.header)
			w.WriteHeader(p.status)
			flushed = false
		}
		switch {
		case len(p.data) > 0:
			if _, err := w.Write(p.data); err != nil {
				return
			}
			rd.took(len(p.data))
			flushed = false
			continue
		case p.cut: // nothing else can say that a part is missing
			panic(http.ErrAbortHandler)
		case p.over:
			return
		case !flushed:
			if err := w.control.Flush(); err != nil {
				return
			}
			flushed = true
		}
		select {
		case <-p.news:
		case <-gone:
			if context.Cause(ctx) != errStopping {
				return
			}
			gone = nil // the call is ended, too, and says so
		}
	}
}

// logReplay writes the line about a call that was answered by another's.
func (e *endpoint) logReplay(ctx context.Context, w *response) {
	status := w.status
	if ctx.Err() != nil {
		status = statusGone
	}
	e.server.meter.calls.Replayed(e.speaker.Name(), e.route.Operation)
	e.server.log.LogAttrs(ctx, slog.LevelInfo, "call replayed", slog.String(logging.KeyRequest, w.id),
		slog.String(logging.KeyDialect, e.speaker.Name()), slog.String("operation", e.route.Operation),
		slog.Int("status", status), slog.Int64("ms", time.Since(w.began).Milliseconds()))
}
