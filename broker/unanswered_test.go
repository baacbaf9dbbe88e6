package broker

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// Until it is known which limits were changed each consumer has one call at a
// time. What holds that up is felt by every caller.
func TestARequestWithoutAnAnswerHoldsUpOnlyWhatItIsAbout(t *testing.T) {
	t.Parallel()
	js := memory(t)
	k := NewKeeper(bustest.Swallow(t, js, func(request string) bool { return request == "STREAM.INFO."+bus.StreamUsage }), twoProviders, nil)
	if k.check(t.Context()) {
		t.Error("all is well, though a stream is not there")
	}
	for _, p := range twoProviders.Providers {
		if _, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer(p.Name)); err != nil {
			t.Errorf("the consumer of %s: %v", p.Name, err)
		}
	}
	if _, err := js.KeyValue(t.Context(), bus.BucketConfig); err != nil {
		t.Errorf("the bucket by which limits are told: %v", err)
	}
}
