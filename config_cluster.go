package main

import (
	"github.com/offbeat-studio/allama/broker"
	"github.com/offbeat-studio/allama/shared/bus"
)

// enoughServers is how many servers what lasts is kept by, where there are as
// many: one of them may then be down.
const enoughServers = 3

// cluster is that of the server that we run; the zero value where there is none.
func (b busConfig) cluster() broker.Cluster {
	return broker.Cluster{Name: b.Cluster.Name, Listen: b.Cluster.Listen, Routes: string(b.Cluster.Routes)}
}

// isOneOfSeveral says whether our server is one of a cluster.
func (b busConfig) isOneOfSeveral() bool { return b.cluster() != (broker.Cluster{}) }

// topology is what the configuration says of the streams.
func (b busConfig) topology() broker.Topology {
	t := broker.Topology{Shards: b.Shards, Replicas: b.Replicas}
	if t.Shards == 0 {
		t.Shards = b.cluster().Servers()
	}
	if t.Replicas == 0 && t.Shards >= enoughServers {
		t.Replicas = enoughServers
	}
	return t
}

// checkCluster checks what makes our server one of several, and how the queue is
// divided among them.
func (l *loader) checkCluster(b busConfig) {
	if b.Shards < 0 || b.Shards > bus.MaxShards {
		l.problem("ALLAMA_NATS_SHARDS", "%d is not from 1 to %d", b.Shards, bus.MaxShards)
	}
	if b.Replicas < 0 || b.Replicas > 5 {
		l.problem("ALLAMA_NATS_REPLICAS", "%d is not from 1 to 5", b.Replicas)
	}
	if !b.isOneOfSeveral() {
		return
	}
	if b.URL != "" {
		l.problem("ALLAMA_NATS_ROUTES", "is for the server that allama runs itself, and NATS_URL says to use another: keep one of the two")
	}
	if err := b.cluster().Check(b.Token); err != nil {
		l.problem("ALLAMA_NATS_CLUSTER_LISTEN", "%v; see ALLAMA_NATS_NAME, ALLAMA_NATS_ROUTES and ALLAMA_NATS_TOKEN", err)
	}
}
