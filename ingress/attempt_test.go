package ingress

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

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
		body, err := x.named("")
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
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

// A form keeps all but the field of that name.
func TestAFormIsRenamedForEachTarget(t *testing.T) {
	const contentType = "multipart/form-data; boundary=XX"
	form := func(model string) string {
		return "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nID3\x00\xff\r\nasked\r\n--XX\r\n" +
			"Content-Disposition: form-data; name=\"model\"\r\n\r\n" + model + "\r\n--XX--\r\n"
	}
	x := &exchange{endpoint: &endpoint{route: dialect.Route{Task: llm.TaskMedia}}, body: []byte(form("asked"))}
	var bodies [][]byte
	names := []string{"served", "a", "another"}
	for _, name := range names {
		x.target.Upstream = name
		body, err := x.named(contentType)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
		if got := string(x.sent()); got != form(name) {
			t.Errorf("for what takes no media: got %q", got)
		}
	}
	for i, name := range names { // what one has got does not change
		if got := string(bodies[i]); got != form(name) {
			t.Errorf("the target of %s has %q want %q", name, got, form(name))
		}
	}
	if body, err := x.named("multipart/form-data"); err == nil || string(x.body) != form("another") {
		t.Errorf("without a boundary: got %q, and kept %q", body, x.body)
	}
}
