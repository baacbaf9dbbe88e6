package broker

import (
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/shared/metrics/metricstest"
)

func TestStreamsAndQueuesAreMeasured(t *testing.T) {
	s, stop := start(t, Config{})
	js, r := connect(t, s), metrics.New(metrics.Build{}, nil)
	k := keep(t, js, time.Minute)
	k.Meter(r)
	<-k.Ready()
	for range 3 {
		if _, err := js.Publish(t.Context(), bus.SubjectJobs(0, "openai"), []byte("job")); err != nil {
			t.Fatal(err)
		}
	}
	queue, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("openai"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queue.Next(); err != nil {
		t.Fatal(err)
	}
	p := metricstest.Read(t, r.Handler())
	p.Want(t, metricstest.Page{
		`allama_stream_messages{stream="JOBS"}`:                                 3,
		`allama_stream_messages{stream="DLQ"}`:                                  0,
		`allama_consumer_pending_messages{consumer="openai",stream="JOBS"}`:     2,
		`allama_consumer_ack_pending_messages{consumer="openai",stream="JOBS"}`: 1,
		`allama_consumer_redelivered_messages{consumer="openai",stream="JOBS"}`: 0,
	})
	if p[`allama_stream_bytes{stream="JOBS"}`] <= 0 {
		t.Error("three jobs have no bytes")
	}
	stop()
	eventually(t, "nothing is shown of a server that is away", func() bool {
		return metricstest.Read(t, r.Handler()).Names("allama_stream") == nil
	})
}
