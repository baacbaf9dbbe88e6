package catalogsync

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/roster"
)

// Whatever the worker of one provider says, it must not keep the models of
// others from being seen.
func TestOneProviderDoesNotFillTheCatalog(t *testing.T) {
	js, err := jetstream.New(bustest.Connect(t, bustest.Start(t, time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{
		Bucket: bus.BucketCatalog, Storage: jetstream.MemoryStorage, MaxBytes: 32 << 20, Compression: true,
	}); err != nil {
		t.Fatal(err)
	}
	wait := follow(t, js)
	noise := make([]byte, 4<<20)
	_, _ = rand.Read(noise) // never fails
	large := lists.Answer{
		Provider: catalog.Provider{Name: "large", Kind: "openai"}, Shown: roster.Provider{Name: "large", Source: roster.Environment},
		Models: []catalog.Model{{ID: "fits"}},
	}
	for range 5 {
		_, _ = rand.Read(noise)
		large.Models = append(large.Models, catalog.Model{ID: hex.EncodeToString(noise[:8]), DisplayName: hex.EncodeToString(noise)})
	}
	small := &upstream{name: "small", models: []string{"m"}}
	run(t, js, Options{Interval: time.Hour}, small)
	wait("small/m")
	defer serveLists(t, js, "large", false, func(lists.Question) lists.Answer { return large })()
	appears(t, js, "large", "one")
	wait("large/fits", "small/m")
}

func TestOneWorkerDoesNotSayTooMuch(t *testing.T) {
	js := withBuckets(t)
	wait := follow(t, js)
	long := lists.Answer{
		Provider: catalog.Provider{Name: "long", Kind: "openai", BaseURL: strings.Repeat("x", 9<<20)},
		Shown:    roster.Provider{Name: "long", Source: roster.Environment, BaseURL: strings.Repeat("x", 9<<20)},
		Models:   []catalog.Model{{ID: "m"}},
	}
	defer serveLists(t, js, "long", false, func(lists.Question) lists.Answer { return long })()
	small, late := &upstream{name: "small", models: []string{"m"}}, &upstream{name: "z", models: []string{"m"}}
	run(t, js, Options{Interval: time.Hour, Defined: definable(t, js)}, small)
	wait("small/m")
	appears(t, js, "long", "one")
	defer late.serve(t, js)()
	appears(t, js, "z", "one")
	wait("small/m", "z/m")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done, err := catalog.NewView(js, nil).Refresh(ctx, catalog.RefreshRequest{Provider: "long"})
	if err != nil || len(done.Providers) != 1 || !strings.Contains(done.Providers[0].Error, "says too much") {
		t.Errorf("the listing came to %+v, %v", done, err)
	}
	if got := failures(t, js); strings.Contains(got, "xxx") {
		t.Errorf("%d bytes are published of the providers", len(got))
	}
	if _, err := roster.Ask(ctx, js.Conn(), roster.Request{Action: roster.List}); err != nil {
		t.Errorf("the providers cannot be shown: %v", err)
	}
}
