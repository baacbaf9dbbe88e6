package broker

import (
	"strings"

	"github.com/offbeat-studio/allama/shared/bus"
)

// The users of a server that tells the parts of allama apart.
const (
	userBroker  = "broker" // sets up streams, consumers and buckets: the only one that may
	userIngress = "ingress"
	userSync    = "sync"
	userWorker  = "worker" // of all providers; those of one are worker-<provider>
)

// A grant is what a user may do. A subject that is not named is denied.
type grant struct {
	all       bool // whatever there is; the rest then means nothing
	publish   []string
	subscribe []string
	answers   string // how long after a question it may be answered; empty: not at all
}

// read is what it takes to read a bucket and to watch it.
func read(bucket string) []string {
	return []string{
		"$JS.API.STREAM.INFO.KV_" + bucket, "$JS.API.DIRECT.GET.KV_" + bucket + ".>", "$JS.API.CONSUMER.CREATE.KV_" + bucket + ".>",
		"$JS.API.CONSUMER.INFO.KV_" + bucket + ".*", "$JS.API.CONSUMER.DELETE.KV_" + bucket + ".*", "$JS.FC.KV_" + bucket + ".>",
	}
}

// write is what it takes besides to write to one.
func write(bucket string) []string { return []string{"$KV." + bucket + ".>"} }

// grants is the table of permissions. <provider> stands for that of a worker.
func grants() map[string]grant {
	return map[string]grant{
		userBroker: {all: true},
		userIngress: {
			publish: join([]string{
				"allama.jobs.*.*", "allama.ctl.*.*", bus.SubjectSync, bus.SubjectProviders,
				bus.SubjectQueue, bus.SubjectCalls, // of other ingresses
				"allama.muster",
				"$JS.API.CONSUMER.INFO.*.*", // how far the queues are
			}, read(bus.BucketCatalog), read(bus.BucketIdempotency), write(bus.BucketIdempotency)),
			subscribe: []string{"allama.resp.*.*.*", "allama.presence.*.*", bus.SubjectQueue, bus.SubjectCalls},
			answers:   "1m", // grants leases, hands bodies over
		},
		userSync: {
			publish: join([]string{bus.SubjectSync + ".*", "allama.list.*.*"},
				read(bus.BucketCatalog), write(bus.BucketCatalog), read(bus.BucketConfig), write(bus.BucketConfig)),
			subscribe: []string{bus.SubjectSync, bus.SubjectSync + ".*", "allama.admin.>", "allama.listed.*.*", "allama.presence.*.*"},
			answers:   "5m", // it may have to list the models of all providers before
		},
		userWorker: {
			publish: join([]string{
				"$JS.API.CONSUMER.INFO.*.<provider>", "$JS.API.CONSUMER.MSG.NEXT.*.<provider>", "$JS.API.CONSUMER.PAUSE.*.<provider>",
				"$JS.ACK.*.<provider>.>",
				"allama.resp.*.<provider>.*", "allama.presence.<provider>.*", "allama.usage.<provider>", "allama.dlq.<provider>",
				"allama.listed.<provider>.*",
				"allama.thoughts.<provider>.*", "$JS.API.DIRECT.GET.THOUGHTS.allama.thoughts.<provider>.*",
			}, read(bus.BucketConfig)),
			subscribe: []string{
				"allama.ctl.<provider>.*", "allama.list.<provider>.*", "allama.muster",
				"allama.presence.<provider>.*", // how many share the limits
			},
		},
	}
}

func join(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// users returns the names of all users that a server has for the providers.
func users(providers []string) []string {
	names := []string{userBroker, userIngress, userSync, userWorker}
	for _, p := range providers {
		names = append(names, userWorker+"-"+p)
	}
	return names
}

// grantOf returns what a user may do.
func grantOf(user string) grant {
	provider, one := strings.CutPrefix(user, userWorker+"-")
	if !one {
		return grants()[user].of("*")
	}
	return grants()[userWorker].of(bus.Consumer(provider))
}

// of returns the grant with a token in the place of the provider's.
func (g grant) of(token string) grant {
	named := func(subjects []string) (out []string) {
		for _, s := range subjects {
			out = append(out, strings.ReplaceAll(s, "<provider>", token))
		}
		return out
	}
	g.publish, g.subscribe = named(g.publish), named(g.subscribe)
	return g
}
