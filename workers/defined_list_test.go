package workers_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers"
)

// listOf asks the crew for a list, and says what came of that in a word.
func (c *crew) listOf(provider string, d *roster.Definition) (lists.Answer, string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	a, err := lists.Ask(ctx, c.js.Conn(), provider, d)
	switch {
	case errors.Is(err, bus.ErrNoWorker):
		return a, "nobody"
	case err != nil:
		return a, err.Error()
	case a.Error != nil:
		return a, a.Error.Message
	case len(a.Models) == 0:
		return a, "nothing"
	}
	return a, "listed"
}

func TestWorkersListWhatTheyServe(t *testing.T) {
	sealer, err := roster.NewSealer("secret of the deployment")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := roster.NewSealer("secret of another one")
	if err != nil {
		t.Fatal(err)
	}
	c := newCrew(t, time.Second, sealer, "fixed", "late")
	c.wantWorkers("fixed", 1)
	keyed := func(name string, s *roster.Sealer) roster.Definition {
		key, err := s.Seal(name, logging.Secret("sk-canary"))
		if err != nil {
			t.Fatal(err)
		}
		return roster.Definition{Name: name, Kind: "demo", Key: key}
	}
	late, idle, locked := keyed("late", sealer), keyed("idle", sealer), keyed("locked", foreign)
	idle.Inactive = true
	others := roster.Definition{Name: "others", Kind: "demo"}
	c.publish(c.r.With(late).With(idle).With(locked).With(others))
	c.wantWorkers("late", 1)
	newer := late
	newer.Host = "elsewhere"
	tests := []struct {
		name, provider string
		definition     *roster.Definition
		want           string
		source         roster.Source
	}{
		{"of the configuration", "fixed", nil, "listed", roster.Environment},
		{"of the configuration, whatever is defined", "fixed", &others, "listed", roster.Environment},
		{"that was defined", "late", &late, "listed", roster.API},
		{"that was changed, before the worker knows", "late", &newer, "listed", roster.API},
		{"that is not active", "idle", &idle, "listed", roster.API},
		{"with another secret", "locked", &locked, "the key cannot be opened: ALLAMA_SECRET_KEY is not the one that it was sealed with", ""},
		{"of another worker", "others", &others, "nobody", ""},
		{"that nobody has defined", "nobody", nil, "nobody", ""},
	}
	for _, tt := range tests {
		a, got := c.listOf(tt.provider, tt.definition)
		if got != tt.want || a.Shown.Source != tt.source {
			t.Errorf("a provider %s: got %q of %q, want %q of %q", tt.name, got, a.Shown.Source, tt.want, tt.source)
		}
		if tt.want == "listed" && (a.Provider.Name != tt.provider || a.Provider.Kind != "demo") {
			t.Errorf("a provider %s: it is described as %+v", tt.name, a.Provider)
		}
	}
	c.publish(c.r.Without("late"))
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(10 * time.Millisecond) {
		if _, got := c.listOf("late", &late); got == "nobody" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("what was removed is still listed after 10s")
		}
	}
}

// A worker that stops leaves the question to others, and does not wait for the
// upstream.
func TestAWorkerThatStopsListsNoMore(t *testing.T) {
	asked := make(chan struct{}, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer upstream.Close()
	server := bustest.Start(t, time.Second, "p")
	w, err := workers.New(bustest.Connect(t, server), workers.Config{Providers: []workers.ProviderConfig{{Name: "p", Kind: "openai", Host: upstream.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	nc := bustest.Connect(t, server)
	answered := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := lists.Ask(ctx, nc, "p", nil)
		answered <- err
	}()
	<-asked
	began := time.Now()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-answered // that there is nobody, or that this worker cannot, if it took long to get there
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v until the worker had stopped and the question was answered", took)
	}
}
