package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

var sharded = Topology{Shards: 3, Replicas: 3, Providers: []Provider{{Name: "openai"}, {Name: "gpu.1", MaxConcurrency: 2}}}

// freeAddresses returns addresses that nobody listens on.
func freeAddresses(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // it was free
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// clusterOf returns the configurations of n servers that are one cluster.
func clusterOf(t *testing.T, n int) (servers []Config) {
	t.Helper()
	addresses := freeAddresses(t, 2*n)
	var routes []string
	for _, a := range addresses[:n] {
		routes = append(routes, "nats://"+a)
	}
	for i := range n {
		servers = append(servers, Config{
			Listen: addresses[n+i], StoreDir: t.TempDir(), Token: "t",
			Cluster: Cluster{Name: fmt.Sprintf("nats-%d", i), Listen: addresses[i], Routes: strings.Join(routes, ",")},
		})
	}
	return servers
}

// leaderOf returns the server that leads a stream; empty where none does.
func leaderOf(t *testing.T, js jetstream.JetStream, stream string) string {
	s, err := js.Stream(t.Context(), stream)
	if err != nil || s.CachedInfo().Cluster == nil {
		return ""
	}
	return s.CachedInfo().Cluster.Leader
}

func TestEachServerOfAClusterKeepsAShard(t *testing.T) {
	t.Parallel()
	cfg := clusterOf(t, 3)
	var stops []func()
	var links []jetstream.JetStream
	for _, c := range cfg {
		s, stop := start(t, c)
		stops, links = append(stops, stop), append(links, connect(t, s))
	}
	k := keepTopology(t, links[0], sharded)
	keepTopology(t, links[1], sharded)
	<-k.Ready()
	eventually(t, "a shard on each server", func() bool {
		return leaderOf(t, links[0], "JOBS") == "nats-0" && leaderOf(t, links[0], "JOBS_1") == "nats-1" && leaderOf(t, links[0], "JOBS_2") == "nats-2"
	})
	eventually(t, "nothing to do", func() bool {
		changed, err := apply(t.Context(), links[0], sharded)
		return err == nil && len(changed) == 0
	})
	c, err := links[0].Consumer(t.Context(), "JOBS_2", bus.Consumer("gpu.1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.CachedInfo().Config; got.MaxAckPending != 2 || got.FilterSubject != "allama.jobs.2.gpu=2E1" || got.Metadata[bus.MetadataShards] != "3" {
		t.Errorf("the consumer of a shard = %+v", got)
	}
	usage, err := links[0].Stream(t.Context(), bus.StreamUsage)
	if err != nil || usage.CachedInfo().Config.Replicas != 3 {
		t.Errorf("what lasts is kept by %+v, %v, want 3 servers", usage, err)
	}
	if _, err := links[0].Publish(t.Context(), bus.SubjectJobs(2, "openai"), []byte("job")); err != nil {
		t.Fatal(err)
	}

	links[2].Conn().Close()
	stops[2]()
	began := time.Now()
	eventually(t, "calls travel all the same", func() bool {
		_, err := apply(t.Context(), links[0], sharded)
		_, less := errors.AsType[*lesser](err)
		return less
	})
	t.Logf("after %v", time.Since(began))
	late := keepTopology(t, links[1], sharded)
	<-late.Ready()
	start(t, cfg[2])
	eventually(t, "the shard is there again", func() bool {
		s, err := links[0].Stream(t.Context(), "JOBS_2")
		return err == nil && s.CachedInfo().State.Msgs == 1 && s.CachedInfo().Cluster.Leader == "nats-2"
	})
	eventually(t, "nothing is missing", func() bool {
		_, err := apply(t.Context(), links[0], sharded)
		return err == nil
	})
}

func TestAClusterRefusesABadConfig(t *testing.T) {
	good := clusterOf(t, 3)[0]
	tests := []struct {
		name  string
		spoil func(c *Config)
		want  string
	}{
		{"no name", func(c *Config) { c.Cluster.Name = "" }, "needs a name"},
		{"a name without a number", func(c *Config) { c.Cluster.Name = "nats" }, `"nats"`},
		{"a number that no server has", func(c *Config) { c.Cluster.Name = "nats-3" }, "from 0 to 2"},
		{"no routes", func(c *Config) { c.Cluster.Routes = "" }, "and theirs"},
		{"a route that is none", func(c *Config) { c.Cluster.Routes = "nats-0:6222,x,y" }, "no URL"},
		{"open to other servers", func(c *Config) { c.Token, c.Cluster.Listen = "", "0.0.0.0:6222" }, "need a token"},
		{"not for clients", func(c *Config) { c.Listen = "" }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.spoil(&cfg)
			if _, err := cfg.options(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	if o, err := good.options(); err != nil || !o.Tags.Contains("shard:0") || len(o.Routes) != 3 || o.Routes[1].User.String() != "allama:t" {
		t.Errorf("a good one = %+v, %v", o, err)
	}
}

// Whoever says nothing else gets the intervals that a cluster of ours needs.
func TestAServerOfAClusterNoticesASilentOne(t *testing.T) {
	write := func(text string) Config {
		file := t.TempDir() + "/nats.conf"
		if err := os.WriteFile(file, []byte("jetstream {store_dir: x}\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Config{File: file}
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want time.Duration // from the last sign of another server until it is given up
	}{
		{"by our settings", clusterOf(t, 3)[0], 2 * time.Second},
		{"by a file", write("cluster {name: x, listen: 127.0.0.1:6222}"), 2 * time.Second},
		{"by a file that says it", write("cluster {name: x, listen: 127.0.0.1:6222, ping_interval: 7s, ping_max: 1}"), 14 * time.Second},
		{"alone", write("listen: 127.0.0.1:4222"), 0},
	} {
		o, err := tt.cfg.options()
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Cluster.PingInterval * time.Duration(o.Cluster.MaxPingsOut+1); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A queue of a version before there were shards goes on.
func TestAnOldQueueBecomesTheFirstShard(t *testing.T) {
	js := memory(t)
	old := twoProviders.jobs(0)
	old.Subjects = []string{"allama.jobs.*"}
	if _, err := js.CreateStream(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	consumer := twoProviders.Providers[0].consumer(0, 1)
	consumer.FilterSubject = "allama.jobs.openai"
	if _, err := js.CreateConsumer(t.Context(), bus.StreamJobs, consumer); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "allama.jobs.openai", nil); err != nil {
		t.Fatal(err)
	}
	mustApply(t, js, twoProviders)
	if _, err := js.Publish(t.Context(), bus.SubjectJobs(0, "openai"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	c, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("openai"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.Next(); err != nil || string(m.Data()) != "new" {
		t.Errorf("the next job: %v, %v", m, err)
	}
}
