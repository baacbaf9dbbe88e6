package broker

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/metrics"
)

// lookTimeout bounds a look at what NATS keeps: whoever asks waits for it.
const lookTimeout = 2 * time.Second

// The families of what NATS keeps.
const (
	streamMessages      = "stream_messages"
	streamBytes         = "stream_bytes"
	consumerPending     = "consumer_pending_messages"
	consumerAckPending  = "consumer_ack_pending_messages"
	consumerRedelivered = "consumer_redelivered_messages"
)

// Meter has the registry look at the streams, and at the queues of providers,
// whenever it is asked. While NATS is away there is nothing to see.
func (k *Keeper) Meter(r *metrics.Registry) {
	stream, queue := []string{"stream"}, []string{"stream", "consumer"}
	r.Watch([]metrics.Family{
		{Name: streamMessages, Help: "Messages that a stream of NATS has; JOBS: calls that wait or run, DLQ: calls that were given up.", Labels: stream},
		{Name: streamBytes, Help: "Bytes that a stream of NATS has.", Labels: stream},
		{Name: consumerPending, Help: "Calls of a provider that no worker has taken.", Labels: queue},
		{Name: consumerAckPending, Help: "Calls of a provider that workers have taken.", Labels: queue},
		{Name: consumerRedelivered, Help: "Calls of a provider that workers have taken more than once.", Labels: queue},
	}, func(emit metrics.Emit) {
		if k.js.Conn().IsConnected() {
			ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
			defer cancel()
			k.readStreams(ctx, emit)
		}
	})
}

func (k *Keeper) readStreams(ctx context.Context, emit metrics.Emit) {
	var queues []string
	for info := range k.js.ListStreams(ctx).Info() {
		name := info.Config.Name
		emit(streamMessages, float64(info.State.Msgs), name)
		emit(streamBytes, float64(info.State.Bytes), name)
		if strings.HasPrefix(name, bus.StreamJobs) {
			queues = append(queues, name)
		}
	}
	for _, name := range queues {
		if s, err := k.js.Stream(ctx, name); err == nil { // one that is away has nothing to show
			readConsumers(ctx, s, emit)
		}
	}
}

func readConsumers(ctx context.Context, s jetstream.Stream, emit metrics.Emit) {
	for info := range s.ListConsumers(ctx).Info() {
		emit(consumerPending, float64(info.NumPending), info.Stream, info.Name)
		emit(consumerAckPending, float64(info.NumAckPending), info.Stream, info.Name)
		emit(consumerRedelivered, float64(info.NumRedelivered), info.Stream, info.Name)
	}
}
