package bus

import (
	"strconv"
	"strings"
)

// The streams and buckets that the broker sets up.
const (
	StreamJobs  = "JOBS"  // work queue, the first shard of it or all, see [StreamOfJobs]
	StreamUsage = "USAGE" // one event per attempt: allama.usage.<provider>
	StreamDLQ   = "DLQ"   // jobs that no worker survives: allama.dlq.<provider>

	// StreamThoughts holds what models thought before they called tools, for
	// two hours: allama.thoughts.<provider>.<key>, the last message of each
	// counts.
	StreamThoughts = "THOUGHTS"

	BucketCatalog = "catalog" // snapshots of the catalog
	BucketConfig  = "config"  // snapshots of the configuration

	// BucketIdempotency holds which calls with an idempotency key run, and what they
	// came to.
	BucketIdempotency = "idempotency"
)

// SubjectSync is where whoever keeps the catalog is asked to list providers now.
const SubjectSync = "allama.sync"

// SubjectProviders is where whoever keeps the roster of providers is asked about
// them.
const SubjectProviders = "allama.admin.providers"

// SubjectAlive is where one of those who can keep the catalog is asked whether
// it is alive.
func SubjectAlive(id string) string { return SubjectSync + "." + token(id) }

// StreamOfJobs is the name of one shard of the work queue, which holds the
// subjects allama.jobs.<shard>.<provider>, with one durable consumer per
// provider, see [Consumer]. Shards are numbered from 0; where there is but one
// that is [StreamJobs].
func StreamOfJobs(shard int) string {
	if shard == 0 {
		return StreamJobs
	}
	return StreamJobs + "_" + strconv.Itoa(shard)
}

// SubjectJobs is where the jobs of a provider are published to a shard.
func SubjectJobs(shard int, provider string) string {
	return "allama.jobs." + strconv.Itoa(shard) + "." + token(provider)
}

// shardOf is the shard that a subject of [SubjectJobs] belongs to; ok is false
// for any other subject.
func shardOf(subject string) (shard int, ok bool) {
	rest, found := strings.CutPrefix(subject, "allama.jobs.")
	number, _, more := strings.Cut(rest, ".")
	shard, err := strconv.Atoi(number)
	return shard, found && more && err == nil
}

// SubjectUsage is where a provider's workers report what an attempt used.
func SubjectUsage(provider string) string { return "allama.usage." + token(provider) }

// SubjectDLQ is where jobs go that were given up.
func SubjectDLQ(provider string) string { return "allama.dlq." + token(provider) }

// SubjectsThoughts are all subjects of [StreamThoughts].
const SubjectsThoughts = "allama.thoughts.*.*"

// SubjectThoughts is where a provider's workers keep the thoughts with a key,
// which they agree on.
func SubjectThoughts(provider, key string) string {
	return "allama.thoughts." + token(provider) + "." + token(key)
}

// SubjectThoughtsLast is where JetStream is asked for what was kept there last.
func SubjectThoughtsLast(provider, key string) string {
	return "$JS.API.DIRECT.GET." + StreamThoughts + "." + SubjectThoughts(provider, key)
}

// Consumer is the name of the durable consumer that all workers of a provider
// share, in each shard.
func Consumer(provider string) string { return token(provider) }

func subjectResp(owner, provider, request string) string {
	return "allama.resp." + owner + "." + token(provider) + "." + request
}

func subjectCtl(provider, request string) string {
	return "allama.ctl." + token(provider) + "." + request
}

// subjectNext is where JetStream takes pulls of a provider's jobs in a shard.
func subjectNext(shard int, provider string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + StreamOfJobs(shard) + "." + Consumer(provider)
}

func subjectPresence(provider, worker string) string {
	return "allama.presence." + token(provider) + "." + worker
}

// What an owner and a worker listen to.
func subjectsResp(owner string) string   { return "allama.resp." + owner + ".*.*" }
func subjectsCtl(provider string) string { return "allama.ctl." + token(provider) + ".*" }

const (
	subjectsPresence = "allama.presence.*.*"

	// subjectMuster is where workers are asked to say that they are there.
	subjectMuster = "allama.muster"
)

// token makes one subject token of a name: whatever NATS gives a meaning to,
// or that does not print, becomes =XX in hexadecimal.
func token(name string) string {
	const hex = "0123456789ABCDEF"
	plain := 0
	for plain < len(name) && !special(name[plain]) {
		plain++
	}
	if plain == len(name) {
		return name
	}
	var out strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case special(c):
			out.Write([]byte{'=', hex[c>>4], hex[c&15]})
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func special(c byte) bool {
	return c <= ' ' || c >= 0x7f || strings.IndexByte("=.*>/\\", c) >= 0
}
