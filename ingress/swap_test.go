package ingress

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
)

// While the catalog is replaced 20 times a second, every call gets to the
// provider that has its model.
func TestNoCallGoesAstrayWhileTheCatalogIsReplaced(t *testing.T) {
	const span, callers = 2 * time.Second, 8
	g := newRig(t, nil)
	var wrong atomic.Int32
	for _, name := range []string{"oai", "void"} {
		g.worker(name, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
			if !strings.HasPrefix(j.Model, name+"-") || j.Provider != name {
				wrong.Add(1)
			}
			return frames(bus.Head{}, bus.End{}, `{"choices":[]}`)(ctx, j, r)
		})
	}
	js, err := jetstream.New(g.connect())
	if err != nil {
		t.Fatal(err)
	}
	replace := func(revision uint64) {
		if err := catalog.Publish(t.Context(), js, reordered(revision)); err != nil {
			t.Error(err)
		}
	}
	replace(2)
	eventually(t, "the new catalog", func() bool { return g.server.catalog.Index().Revision() == 2 })
	var calls atomic.Int32
	var running sync.WaitGroup
	until := time.Now().Add(span)
	for n := range callers {
		running.Go(func() {
			for i := n; time.Now().Before(until); i++ {
				name := []string{"oai", "void"}[i%2]
				got := g.post("/v1/chat/completions", ask(fmt.Sprint(name, "-", i%50), false))
				if got.status != 200 || got.header.Get("X-Allama-Provider") != name {
					t.Errorf("%s: got %d %s by %s", name, got.status, got.body, got.header.Get("X-Allama-Provider"))
					return
				}
				calls.Add(1)
			}
		})
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	revision := uint64(2)
	for ; time.Now().Before(until); revision++ {
		replace(revision + 1)
		<-tick.C
	}
	running.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d of %d calls went astray", wrong.Load(), calls.Load())
	}
	t.Logf("%d calls while %d snapshots were replaced", calls.Load(), revision-2)
}

// reordered is a catalog that always has the same names, but each time in
// another order, with other models between.
func reordered(revision uint64) catalog.Snapshot {
	s := catalog.Snapshot{Revision: revision, Providers: providers()}
	if revision%2 == 0 {
		slices.Reverse(s.Providers)
	}
	for i := range 50 {
		for _, name := range []string{"oai", "void", "claude"} {
			s.Models = append(s.Models, catalog.Model{Provider: name, ID: fmt.Sprint(name, "-", i)})
		}
		s.Models = append(s.Models, catalog.Model{Provider: "llama", ID: fmt.Sprint("other-", revision, "-", i)})
	}
	start := int(revision) % len(s.Models)
	s.Models = append(slices.Clone(s.Models[start:]), s.Models[:start]...)
	return s
}
