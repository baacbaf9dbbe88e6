package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestGarbageIsNotCollectedForALittleOfIt(t *testing.T) {
	kept := newHeadroom(nil)
	runtime.GC()
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(goal)
	if got := goal[0].Value.Uint64(); got < 2*headroom {
		t.Errorf("it is collected at %d bytes, want no less than %d", got, 2*headroom)
	}
	runtime.KeepAlive(kept)
	if newHeadroom([]string{"GOGC=50"}) != nil {
		t.Error("there is headroom although GOGC is set")
	}
}
