package bus

import (
	"slices"
	"testing"
	"time"
)

// A job that came again to the same worker has several attempts, which end in
// any order.
func TestAttemptsOfARequest(t *testing.T) {
	for first := range 3 {
		for second := range 3 {
			var a attempts
			var all []*Reply
			for _, id := range []string{"1", "2", "3"} {
				r := &Reply{address: address{request: "r", attempt: id}}
				a.add(r)
				all = append(all, r)
			}
			other := &Reply{address: address{request: "s", attempt: "4"}}
			a.add(other)
			left := slices.Clone(all)
			for _, r := range []*Reply{all[first], all[second], all[0], all[1], all[2]} {
				if !slices.Contains(left, r) {
					continue
				}
				a.end(r, time.Minute) // without anything to send again
				left = slices.DeleteFunc(left, func(o *Reply) bool { return o == r })
				got := a.byRequest(nil, "r")
				slices.Reverse(got) // the last is the first to be found
				if !slices.Equal(got, left) || a.byID(r.attempt) != nil {
					t.Fatalf("got %d attempts after the end of %s, want %d", len(got), r.attempt, len(left))
				}
			}
			if got := a.byRequest(nil, "s"); len(got) != 1 || got[0] != other || len(a.requests) != 1 {
				t.Errorf("got %d attempts of another request, %d requests in all", len(got), len(a.requests))
			}
		}
	}
}
