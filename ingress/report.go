package ingress

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

// callHeaders say who serves the call and how long it has waited.
func (r *relay) callHeaders(warnings []llm.Warning) {
	now := r.stay
	if r.call != nil {
		now.attempts += r.call.Attempts()
		now.queued += r.call.Queued()
	} else {
		now.queued = time.Since(r.out.began) // it waits in a room
	}
	r.modelHeaders()
	now.headers(r.out.Header())
	warningHeaders(r.out.Header(), r.ownFields(warnings))
}

// leave takes note of what the call of the relay has taken.
func (r *relay) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.call.Attempts()
	r.endpoint.server.meter.calls.Tried(r.target.Provider.Name, n)
	r.attempts += n
	r.queued += r.call.Queued()
	r.call = nil
}

func (s stay) headers(h http.Header) {
	h.Set("X-Allama-Attempts", itoa(s.attempts))
	h.Set("X-Allama-Queue-Ms", itoa(s.queued.Milliseconds()))
	h.Set("X-Allama-Queue-Position", itoa(s.position))
}

func (x *exchange) modelHeaders() {
	h := x.out.Header()
	h.Set("X-Allama-Provider", x.target.Provider.Name)
	h.Set("X-Allama-Model", strings.Map(printable, x.target.Model.ID))
}

// printable keeps what may stand in a header.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '_'
	}
	return r
}

// statusGone is what the log says of a client that has left.
const statusGone = 499

// log writes the one line about a call.
func (x *exchange) log(ctx context.Context) {
	log := x.endpoint.server.log
	if !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	status := x.out.status
	attrs := []slog.Attr{
		slog.String(logging.KeyRequest, x.out.id),
		slog.String(logging.KeyDialect, x.endpoint.speaker.Name()),
		slog.String("operation", x.endpoint.route.Operation),
		slog.String(logging.KeyModel, x.model),
		slog.Bool("stream", x.stream),
		slog.Int64("ms", time.Since(x.out.began).Milliseconds()),
	}
	if status != 0 {
		attrs = append(attrs, slog.Int64("ttfb_ms", x.out.first.Sub(x.out.began).Milliseconds()))
	}
	if x.out.key != "" {
		attrs = append(attrs, slog.String("key", x.out.key))
	}
	if x.err != nil {
		e := llm.AsError(x.err)
		attrs = append(attrs, slog.String(logging.KeyError, string(e.Code)), slog.String("detail", e.Error()))
		if e.Code == llm.CodeCanceled {
			status = statusGone
		}
	}
	attrs = append(attrs, slog.Int("status", status))
	attrs = append(attrs, x.served()...)
	log.LogAttrs(ctx, slog.LevelInfo, "call", attrs...)
}

// translated reports whether the upstream speaks another dialect.
func (x *exchange) translated() bool { return x.encoder != nil || x.embed != nil }

// served are the attributes of a call that came as far as to a provider.
func (x *exchange) served() []slog.Attr {
	if x.target.Provider == nil {
		return nil
	}
	encoding := bus.Native
	if x.translated() {
		encoding = bus.Canonical
	}
	attrs := []slog.Attr{
		slog.String(logging.KeyProvider, x.target.Provider.Name),
		slog.String("encoding", string(encoding)),
		slog.Int("attempts", x.attempts),
		slog.Int64("queue_ms", x.queued.Milliseconds()),
	}
	if x.target.Alias != "" {
		attrs = append(attrs, slog.String("upstream_model", x.target.Upstream))
	}
	if x.usage != nil {
		attrs = append(attrs, slog.Int("input_tokens", x.usage.Prompt()), slog.Int("output_tokens", x.usage.Output))
	}
	return attrs
}
