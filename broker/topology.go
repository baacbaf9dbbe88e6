package broker

import (
	"cmp"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// A Topology is what a server must have before calls can travel over it. All
// of it together needs less than 640 MiB of a server's store; 128 MiB of that
// are always memory. Where there are several shards each server keeps but one.
type Topology struct {
	Providers []Provider

	// MemoryJobs keeps the jobs in memory, the rest in files. It is right
	// where the server shares its process with those who wait for the jobs.
	MemoryJobs bool

	// Memory keeps everything in memory.
	Memory bool

	// Alone says that nobody but this process uses the server, which is in it:
	// whoever asks it cannot be cut off.
	Alone bool

	// Shards is how many streams the jobs are divided among, from 1 to
	// [bus.MaxShards]; default 1. Where there are several, each is kept by one
	// server of a cluster alone, that with the tag shard:<number>.
	Shards int

	// Replicas is how many servers keep everything but the jobs. Zero leaves it
	// as it is, which at first is 1.
	Replicas int

	// cautious says that what providers have for MaxConcurrency may be too much:
	// a consumer that is there is let have no more than it has, a new one one.
	cautious bool
}

func (t Topology) shards() int { return max(1, t.Shards) }

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

	// duplicates is twice as long as the same publication of a job is repeated
	// while NATS is away, and duplicatesHere where it cannot be away. What was
	// published in that time takes memory of its own: at some thousand calls a
	// second, a longer one costs more than all else.
	duplicates     = 15 * time.Second
	duplicatesHere = 5 * time.Second
)

// jobs is one shard of the queue.
func (t Topology) jobs(shard int) jetstream.StreamConfig {
	remembered := duplicates
	if t.Alone {
		remembered = duplicatesHere
	}
	var placement *jetstream.Placement
	if t.shards() > 1 {
		placement = &jetstream.Placement{Tags: []string{shardTag(shard)}}
	}
	return jetstream.StreamConfig{
		Name:        bus.StreamOfJobs(shard),
		Description: "calls that wait for a worker or are being served",
		Subjects:    []string{bus.SubjectJobs(shard, "") + "*"},
		Retention:   jetstream.WorkQueuePolicy,
		Storage:     storage(t.Memory || t.MemoryJobs),
		MaxMsgs:     100_000,
		MaxBytes:    256 * mib,
		MaxAge:      time.Hour,
		Discard:     jetstream.DiscardNew,
		Duplicates:  remembered,
		Placement:   placement,

		// Per provider, so that a full queue leaves room for the others'.
		MaxMsgsPerSubject:    10_000,
		DiscardNewPerSubject: true,
	}
}

// streams is the table of the other streams. What is not set here is left as it
// is on the server.
func (t Topology) streams() []jetstream.StreamConfig {
	files, used := storage(t.Memory), int64(128*mib)
	if t.Memory {
		used = 8 * mib // it ends with the process, and the collector has to look at it
	}
	return []jetstream.StreamConfig{{
		Name:        bus.StreamUsage,
		Description: "one event per attempt at a call",
		Subjects:    []string{bus.SubjectUsage("") + "*"},
		Storage:     files,
		MaxMsgs:     unlimited,
		MaxBytes:    used,
		MaxAge:      7 * day,
		Replicas:    t.Replicas,
		Duplicates:  2 * time.Minute,
	}, {
		Name:        bus.StreamDLQ,
		Description: "jobs that were given up",
		Subjects:    []string{bus.SubjectDLQ("") + "*"},
		Storage:     files,
		MaxMsgs:     10_000,
		MaxBytes:    64 * mib,
		MaxAge:      30 * day,
		Replicas:    t.Replicas,
		Duplicates:  2 * time.Minute,
	}, {
		Name:        bus.StreamThoughts,
		Description: "what models thought before they called tools",
		Subjects:    []string{bus.SubjectsThoughts},
		Storage:     jetstream.MemoryStorage, // they are not to be found on a disk
		MaxMsgs:     unlimited,
		MaxBytes:    64 * mib,
		MaxAge:      2 * time.Hour,
		Replicas:    t.Replicas,
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
		Replicas:     t.Replicas,
		MaxBytes:     32 * mib,
		MaxValueSize: 1 * mib,
	}, {
		Bucket:       bus.BucketConfig,
		Description:  "the configuration",
		Storage:      storage(t.Memory),
		History:      1,
		Replicas:     t.Replicas,
		MaxBytes:     4 * mib,
		MaxValueSize: 1 * mib,
	}, {
		Bucket:         bus.BucketIdempotency,
		Description:    "calls with an idempotency key, and what they came to",
		Storage:        jetstream.MemoryStorage, // answers are not to be found on a disk
		History:        1,
		Replicas:       t.Replicas,
		MaxBytes:       64 * mib,
		MaxValueSize:   1 * mib,
		TTL:            25 * time.Hour, // each has a shorter one of its own
		LimitMarkerTTL: 10 * time.Second,
	}}
}

// consumer is what the workers of p share, in one of so many shards. MaxDeliver
// is unlimited because a job that has used it up would stay in the queue for
// ever, where nobody sees it: the worker that gets a job too often gives it up
// instead.
func (p Provider) consumer(shard, shards int) jetstream.ConsumerConfig {
	var metadata map[string]string
	if shards > 1 {
		metadata = map[string]string{bus.MetadataShards: strconv.Itoa(shards)}
	}
	return jetstream.ConsumerConfig{
		Durable:       bus.Consumer(p.Name),
		FilterSubject: bus.SubjectJobs(shard, p.Name),
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    unlimited,
		MaxAckPending: cmp.Or(p.MaxConcurrency, maxConcurrency),
		Metadata:      metadata,
	}
}

// shardTag is the tag of the server that keeps a shard.
func shardTag(shard int) string { return "shard:" + strconv.Itoa(shard) }

func storage(memory bool) jetstream.StorageType {
	if memory {
		return jetstream.MemoryStorage
	}
	return jetstream.FileStorage
}
