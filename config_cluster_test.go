package main

import (
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/broker"
)

func TestTheQueueIsDividedAmongTheServers(t *testing.T) {
	cluster := []string{"ALLAMA_NATS_LISTEN=127.0.0.1:4222", "ALLAMA_NATS_NAME=nats-1", "ALLAMA_NATS_CLUSTER_LISTEN=127.0.0.1:6222"}
	three := append(cluster, "ALLAMA_NATS_ROUTES=nats://a:6222,nats://b:6222,nats://c:6222")
	tests := []struct {
		name string
		env  []string
		want broker.Topology
	}{
		{"one server", nil, broker.Topology{Shards: 1}},
		{"three of our own", three, broker.Topology{Shards: 3, Replicas: 3}},
		{"two of our own", append(cluster, "ALLAMA_NATS_ROUTES=nats://a:6222,nats://b:6222"), broker.Topology{Shards: 2}},
		{"three elsewhere", []string{"NATS_URL=nats://a,nats://b,nats://c", "ALLAMA_NATS_SHARDS=3"}, broker.Topology{Shards: 3, Replicas: 3}},
		{"as is said", append(three, "ALLAMA_NATS_SHARDS=2", "ALLAMA_NATS_REPLICAS=1"), broker.Topology{Shards: 2, Replicas: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := mustLoad(t, tt.env...)
			if got := cfg.Bus.topology(); got.Shards != tt.want.Shards || got.Replicas != tt.want.Replicas {
				t.Errorf("got %d shards and %d replicas, want %d and %d", got.Shards, got.Replicas, tt.want.Shards, tt.want.Replicas)
			}
		})
	}
}

func TestAClusterThatCannotBeIsRefused(t *testing.T) {
	for _, env := range [][]string{
		{"ALLAMA_NATS_SHARDS=65"},
		{"ALLAMA_NATS_REPLICAS=-1"},
		{"ALLAMA_NATS_NAME=nats-0"},
		{"ALLAMA_NATS_NAME=nats-2", "ALLAMA_NATS_CLUSTER_LISTEN=127.0.0.1:6222", "ALLAMA_NATS_ROUTES=nats://a:6222,nats://b:6222"},
		{"ALLAMA_NATS_NAME=nats-0", "ALLAMA_NATS_CLUSTER_LISTEN=0.0.0.0:6222", "ALLAMA_NATS_ROUTES=nats://a:6222"},
	} {
		if _, _, err := load(t.Context(), newEnvironment(env, nil)); err == nil {
			t.Errorf("%v: got no error", env)
		}
	}
}

// A server's own configuration says which others there are: to say so twice is a
// mistake, not to be found out when a server of three is alone.
func TestAClusterIsSaidInOnePlace(t *testing.T) {
	var log output
	env := []string{"IS_OLLAMA_ACTIVE=false", "ALLAMA_NATS_NAME=nats-0", "ALLAMA_NATS_CLUSTER_LISTEN=127.0.0.1:6222", "ALLAMA_NATS_ROUTES=nats://a:6222"}
	if got := run(t.Context(), serveProgram(t, &log, env...), "allama", "broker", "--config", "nats.conf"); got != exitUsage {
		t.Errorf("exit code: got %d, want %d", got, exitUsage)
	}
	if got := log.String(); !strings.Contains(got, "leave out") || !strings.Contains(got, "ALLAMA_NATS_ROUTES") {
		t.Errorf("it said:\n%s", got)
	}
}
