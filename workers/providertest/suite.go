// Package providertest is the conformance suite of the kinds of provider that
// speak HTTP: each answers calls that come over a real bus, from an upstream
// that plays transcripts and misbehaves in every way there is. A kind without
// a transcript fails.
package providertest

import (
	"testing"

	"github.com/offbeat-studio/allama/workers"
)

// Run tests all kinds.
func Run(t *testing.T) {
	for _, kind := range workers.Kinds() {
		if workers.Dialect(kind) == "" {
			continue // built in: there is no upstream
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			tr, ok := transcripts[kind]
			if !ok {
				t.Fatalf("the suite has no transcript for the kind %q: add one", kind)
			}
			newRig(t, kind, tr).run(t)
		})
	}
}

func (r *rig) run(t *testing.T) {
	tests := []struct {
		name string
		test func(*testing.T)
	}{
		{"native requests pass as they are", r.testRequest},
		{"canonical requests", r.testCanonicalRequest},
		{"nothing in a job leads the call elsewhere", r.testOverrides},
		{"native answers are untouched", r.testNative},
		{"canonical answers", r.testCanonical},
		{"the upstream decides whether it streams", r.testOtherWay},
		{"odd bodies are left to the client", r.testOddBody},
		{"drip", r.testDrip},
		{"compressed answers", r.testCompressed},
		{"embeddings", r.testEmbeddings},
		{"media", r.testMedia},
		{"strict calls", r.testStrict},
		{"each piece is sent when it comes", r.testLive},
		{"connections are used again", r.testReuse},
		{"models", r.testModels},
		{"refusals", r.testRefusals},
		{"refused credentials", r.testCredentials},
		{"foreign answers", r.testForeign},
		{"answers whose type says nothing", r.testCareless},
		{"redirects", r.testRedirects},
		{"failures inside an answer", r.testBroken},
		{"cut answers", r.testCuts},
		{"missing last line end", r.testUnterminated},
		{"silence", r.testSilence},
		{"hostile headers", r.testHeaders},
		{"nobody there", r.testUnreachable},
		{"the client leaves", r.testLeave},
		{"recorded exchanges", r.testRecorded},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.test)
	}
	t.Run("the key is in no log", func(t *testing.T) { noCanary(t, "log", r.log.String()) })
}
