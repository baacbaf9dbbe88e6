package ingress

import "testing"

// Each target gets the body with the name by which it knows the model. What one
// has got does not change when another one is tried, which may want the body as
// the client sent it.
func TestBodiesAreRenamedForEachTarget(t *testing.T) {
	const sent = `{"x":[1],"model":"the best one","y":2}`
	x := &exchange{endpoint: &endpoint{}, model: "the best one", body: []byte(sent)}
	if got := string(x.sent()); got != sent {
		t.Errorf("before: got %s", got)
	}
	var bodies [][]byte
	names := []string{"gpt", "a longer name than that", "m"}
	for _, name := range names {
		x.target.Upstream = name
		bodies = append(bodies, x.named())
		if got := string(x.sent()); got != sent {
			t.Errorf("after %s: got %s want %s", name, got, sent)
		}
	}
	for i, name := range names {
		if got, want := string(bodies[i]), `{"x":[1],"model":"`+name+`","y":2}`; got != want {
			t.Errorf("the target of %s has %s want %s", name, got, want)
		}
	}
}
