package broker

import (
	"cmp"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// A Topology is what a server must have before calls can travel over it. All
// of it together needs less than 576 MiB of a server's store; 64 MiB of that
// are always memory.
type Topology struct {
	Providers []Provider

	// MemoryJobs keeps the jobs in memory, the rest in files. It is right
	// where the server shares its process with those who wait for the jobs.
	MemoryJobs bool

	// Memory keeps everything in memory.
	Memory bool
}

// A Provider has its own consumer of the jobs.
type Provider struct {
	Name string

	// MaxConcurrency is how many of the provider's calls may run at once, over
	// all workers; default 20,000, for NATS' own default of 1,000 is less than
	// what a paid API serves.
	MaxConcurrency int
}

const (
	day = 24 * time.Hour
	mib = 1 << 20

	unlimited      = -1
	maxConcurrency = 20_000

	// ackWait is three of the workers' signs of life, so that the jobs of a
	// worker that was killed are elsewhere soon after.
	ackWait = 6 * time.Second
)

// streams is the table of streams. What is not set here is left as it is on
// the server.
func (t Topology) streams() []jetstream.StreamConfig {
	files := storage(t.Memory)
	return []jetstream.StreamConfig{{
		Name:        bus.StreamJobs,
		Description: "calls that wait for a worker or are being served",
		Subjects:    []string{bus.SubjectJobs("") + "*"},
		Retention:   jetstream.WorkQueuePolicy,
		Storage:     storage(t.Memory || t.MemoryJobs),
		MaxMsgs:     100_000,
		MaxBytes:    256 * mib,
		MaxAge:      time.Hour,
		Discard:     jetstream.DiscardNew,
		Duplicates:  2 * time.Minute,

		// Per provider, so that a full queue leaves room for the others'.
		MaxMsgsPerSubject:    10_000,
		DiscardNewPerSubject: true,
	}, {
		Name:        bus.StreamUsage,
		Description: "one event per attempt at a call",
		Subjects:    []string{bus.SubjectUsage("") + "*"},
		Storage:     files,
		MaxMsgs:     unlimited,
		MaxBytes:    128 * mib,
		MaxAge:      7 * day,
		Duplicates:  2 * time.Minute,
	}, {
		Name:        bus.StreamDLQ,
		Description: "jobs that were given up",
		Subjects:    []string{bus.SubjectDLQ("") + "*"},
		Storage:     files,
		MaxMsgs:     10_000,
		MaxBytes:    64 * mib,
		MaxAge:      30 * day,
		Duplicates:  2 * time.Minute,
	}, {
		Name:        bus.StreamThoughts,
		Description: "what models thought before they called tools",
		Subjects:    []string{bus.SubjectsThoughts},
		Storage:     jetstream.MemoryStorage, // they are not to be found on a disk
		MaxMsgs:     unlimited,
		MaxBytes:    64 * mib,
		MaxAge:      2 * time.Hour,
		Duplicates:  2 * time.Minute,
		AllowDirect: true,

		MaxMsgsPerSubject: 1,
	}}
}

// buckets is the table of key-value buckets.
func (t Topology) buckets() []jetstream.KeyValueConfig {
	return []jetstream.KeyValueConfig{{
		Bucket:       bus.BucketCatalog,
		Description:  "the catalog of models",
		Storage:      storage(t.Memory),
		History:      1,
		MaxBytes:     32 * mib,
		MaxValueSize: 1 * mib,
	}, {
		Bucket:       bus.BucketConfig,
		Description:  "the configuration",
		Storage:      storage(t.Memory),
		History:      1,
		MaxBytes:     4 * mib,
		MaxValueSize: 1 * mib,
	}}
}

// consumer is what the workers of p share. MaxDeliver is unlimited because a
// job that has used it up would stay in the queue for ever, where nobody sees
// it: the worker that gets a job too often gives it up instead.
func (p Provider) consumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       bus.Consumer(p.Name),
		FilterSubject: bus.SubjectJobs(p.Name),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    unlimited,
		MaxAckPending: cmp.Or(p.MaxConcurrency, maxConcurrency),
	}
}

func storage(memory bool) jetstream.StorageType {
	if memory {
		return jetstream.MemoryStorage
	}
	return jetstream.FileStorage
}
