// Package bustest runs a real NATS server inside a test process, with the
// streams that package bus expects. It is for tests only; package broker runs
// NATS for the program.
package bustest

import (
	"cmp"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// Start runs a server without a TCP port until the test ends, with queues for
// the providers. AckWait is how long a job of a dead worker rests.
func Start(t testing.TB, ackWait time.Duration, providers ...string) *server.Server {
	t.Helper()
	s := Serve(t)
	AddQueues(t, Connect(t, s), ackWait, providers...)
	return s
}

// Serve runs a server without a TCP port, and without any stream, until the
// test ends.
func Serve(t testing.TB) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		DontListen: true, JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true, NoFastProducerStall: true,
	})
	if err != nil {
		t.Fatalf("start NATS: %v", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS is not ready after 10s")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// Connect returns a connection to s that is closed when the test ends.
func Connect(t testing.TB, s *server.Server) *nats.Conn {
	t.Helper()
	nc, err := bus.Connect(bus.Server{}, t.Name(), nil, nats.InProcessServer(s))
	if err != nil {
		t.Fatalf("connect to NATS: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// AddQueues sets up the job stream, in memory, and queues for the providers.
func AddQueues(t testing.TB, nc *nats.Conn, ackWait time.Duration, providers ...string) {
	t.Helper()
	AddShards(t, nc, Shards{Number: 1, AckWait: ackWait}, providers...)
}

// Shards are those of the queue.
type Shards struct {
	Number  int
	AckWait time.Duration // see [Start]
	Cap     int           // how many calls of a provider may run at once; 0: as many as there are
}

// AddShards does the same with several shards, which one server keeps.
func AddShards(t testing.TB, nc *nats.Conn, shards Shards, providers ...string) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("open JetStream: %v", err)
	}
	streams := []jetstream.StreamConfig{
		{Name: bus.StreamUsage, Subjects: []string{"allama.usage.*"}, Storage: jetstream.MemoryStorage},
		{Name: bus.StreamDLQ, Subjects: []string{"allama.dlq.*"}, Storage: jetstream.MemoryStorage},
		{Name: bus.StreamThoughts, Subjects: []string{bus.SubjectsThoughts}, Storage: jetstream.MemoryStorage, MaxMsgsPerSubject: 1, AllowDirect: true},
	}
	for shard := range shards.Number {
		streams = append(streams, jetstream.StreamConfig{
			Name: bus.StreamOfJobs(shard), Subjects: []string{bus.SubjectJobs(shard, "") + "*"},
			Retention: jetstream.WorkQueuePolicy, Storage: jetstream.MemoryStorage, Duplicates: 2 * time.Minute,
		})
	}
	for _, config := range streams {
		if _, err := js.CreateOrUpdateStream(t.Context(), config); err != nil {
			t.Fatalf("create stream %s: %v", config.Name, err)
		}
	}
	for shard := range shards.Number {
		for _, p := range providers {
			_, err := js.CreateOrUpdateConsumer(t.Context(), bus.StreamOfJobs(shard), jetstream.ConsumerConfig{
				Durable: bus.Consumer(p), FilterSubject: bus.SubjectJobs(shard, p),
				AckPolicy: jetstream.AckExplicitPolicy, AckWait: shards.AckWait, MaxAckPending: cmp.Or(shards.Cap, 20_000),
				Metadata: map[string]string{bus.MetadataShards: strconv.Itoa(shards.Number)},
			})
			if err != nil {
				t.Fatalf("create queue of %s: %v", p, err)
			}
		}
	}
}

// AddIdempotency sets up the bucket of package idem.
func AddIdempotency(t testing.TB, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("open JetStream: %v", err)
	}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{
		Bucket: bus.BucketIdempotency, Storage: jetstream.MemoryStorage, LimitMarkerTTL: time.Second,
	}); err != nil {
		t.Fatalf("create bucket %s: %v", bus.BucketIdempotency, err)
	}
}
