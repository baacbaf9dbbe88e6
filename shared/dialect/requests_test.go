package dialect_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
)

// TestRequestsOfEachDialectBecomeThoseOfAll reads the same request in every
// dialect and writes it in every dialect. What gets lost on the way is in the
// section "lossy", one line each.
func TestRequestsOfEachDialectBecomeThoseOfAll(t *testing.T) {
	for _, g := range goldens(t, "requests") {
		g.excuse = true // what only its own dialect has a word for is not in the canonical form
		var lossy []string
		for _, from := range sourceFirst(g.source()) {
			for _, to := range suites() {
				pair := from.Server.Name() + "->" + to.Server.Name()
				t.Run(g.name()+"/"+pair, func(t *testing.T) {
					if g.section(from.Server.Name()) == nil {
						t.Skip("the dialect has no such request")
					}
					body, lost := translated(t, g.section(from.Server.Name()), from, to)
					for _, l := range lost {
						lossy = append(lossy, pair+" "+l)
					}
					if body != nil {
						g.check(t, to.Server.Name(), from.Server.Name(), append(body, '\n'), bytes.Clone)
					}
				})
			}
		}
		g.checkLossy(t, lossy)
	}
}

func (g *golden) checkLossy(t *testing.T, lossy []string) {
	t.Helper()
	got := strings.Join(append(lossy, ""), "\n")
	if *update {
		g.set("lossy", []byte(got))
	}
	if want := string(g.section("lossy")); got != want {
		t.Errorf("%s: lost on the way is\n%swant\n%s", g.path, got, want)
	}
}

// translated returns the request in the other dialect, nil when it is refused,
// and what was lost.
func translated(t *testing.T, body []byte, from, to dialecttest.Suite) ([]byte, []string) {
	t.Helper()
	call, err := from.Server.Decode(from.Operation, body)
	if err != nil {
		return nil, refused(err)
	}
	encoded, err := to.Client.Encode(call.Request)
	if err != nil {
		return nil, refused(err)
	}
	var lost []string
	for _, w := range encoded.Warnings {
		lost = append(lost, fmt.Sprintf("%s %s", w.Policy, w.Field))
	}
	return encoded.Body, lost
}

func refused(err error) []string {
	e := llm.AsError(err)
	return []string{fmt.Sprintf("refused %s %s", e.Code, e.Param)}
}
