package catalog

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// swapped is a snapshot in which the models move from one provider to the
// other with each revision, and say which revision they are of.
func swapped(revision uint64) Snapshot {
	s := Snapshot{Revision: revision, Providers: []Provider{{Name: "even", Dialect: "openai"}, {Name: "odd", Dialect: "ollama"}}}
	owner := s.Providers[revision%2].Name
	for i := range 200 {
		s.Models = append(s.Models, Model{Provider: owner, ID: fmt.Sprint("model-", i), OwnedBy: strconv.FormatUint(revision, 10)})
	}
	return s
}

// While snapshots are replaced 20 times a second, each of 500 calls a second
// gets the route of one of them: a model with its own provider, never an older
// one than before.
func TestRoutesAreRightWhileSnapshotsAreReplaced(t *testing.T) {
	const period, span = 50 * time.Millisecond, 2 * time.Second
	js := withBucket(t)
	mustPublish(t, js, swapped(1))
	v := view(t, js, time.Hour)
	<-v.Ready()
	over := make(chan struct{})
	var calls atomic.Int64
	var running sync.WaitGroup
	for n := range 4 { // each of them a call every 8 ms
		running.Go(func() {
			last := uint64(0)
			tick := time.NewTicker(8 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-over:
					return
				case <-tick.C:
				}
				calls.Add(1)
				last = call(t, v, fmt.Sprint("model-", n*50), last)
			}
		})
	}
	revision := uint64(1)
	for began := time.Now(); time.Since(began) < span; {
		next := time.After(period)
		revision++
		mustPublish(t, js, swapped(revision))
		<-next
	}
	wantRevision(t, v, revision)
	close(over)
	running.Wait()
	if got := calls.Load(); got < 500 {
		t.Errorf("%d calls, want more for the test to mean something", got)
	}
}

// call resolves a name as a call does, and returns the revision that it went by.
func call(t *testing.T, v *View, name string, last uint64) uint64 {
	target, ok := v.Index().Reach(name)
	if !ok {
		t.Errorf("%s is not found", name)
		return last
	}
	revision, err := strconv.ParseUint(target.Model.OwnedBy, 10, 64)
	want := swappedOwner(revision)
	if err != nil || target.Provider.Name != want || target.Model.Provider != want || target.Model.ID != name || revision < last {
		t.Errorf("%s of revision %d, after %d, goes to %s as %+v", name, revision, last, target.Provider.Name, target.Model)
	}
	return revision
}

func swappedOwner(revision uint64) string { return []string{"even", "odd"}[revision%2] }

func TestChangedIsClosedByTheNextSnapshot(t *testing.T) {
	js := withBucket(t)
	v := view(t, js, time.Hour)
	for revision := range uint64(3) {
		changed := v.Changed()
		select {
		case <-changed:
			t.Fatal("changed without a change")
		default:
		}
		mustPublish(t, js, sized(revision+1, 1))
		<-changed
		if got := v.Index().Revision(); got != revision+1 {
			t.Errorf("revision = %d, want %d", got, revision+1)
		}
	}
}
