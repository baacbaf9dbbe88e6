package bus_test

import (
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

func TestWorkersAreSeenWhenTheyAppear(t *testing.T) {
	nc := bustest.Connect(t, bustest.Serve(t))
	came := make(chan string, 10)
	sub, err := bus.WatchWorkers(nc, func(provider string) { came <- provider })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	for _, step := range []struct{ provider, worker, sign, want string }{
		{"a", "one", "{}", "a"},
		{"a", "one", "{}", ""},
		{"a", "two", "{}", "a"},
		{"b", "one", "{}", "b"},
		{"a", "one", `{"leaving":true}`, ""},
		{"a", "one", "{", ""},
		{"a", "one", "{}", "a"},
	} {
		if err := nc.Publish("allama.presence."+step.provider+"."+step.worker, []byte(step.sign)); err != nil {
			t.Fatal(err)
		}
		if err := nc.Publish("allama.presence.end."+bus.NewID(), []byte("{}")); err != nil { // which comes after it
			t.Fatal(err)
		}
		got := ""
		for next := nextOf(t, came); next != "end"; next = nextOf(t, came) {
			got += next
		}
		if got != step.want {
			t.Errorf("worker %s of %s says %s: got %q, want %q", step.worker, step.provider, step.sign, got, step.want)
		}
	}
}

func nextOf(t *testing.T, came <-chan string) string {
	t.Helper()
	select {
	case provider := <-came:
		return provider
	case <-time.After(5 * time.Second):
		t.Fatal("nobody was seen within 5s")
		return ""
	}
}
