package dialect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// TestGoldenEmbeddings asks for embeddings as the first section of a file does.
// The sections "upstream x" say what an upstream of that dialect is asked, the
// section lossy what it is not, and "answer" what the client gets of the
// section "made". Where the dialect refuses the call, "refused" says how.
func TestGoldenEmbeddings(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range goldens(t, "embeddings") {
		t.Run(g.name(), func(t *testing.T) {
			who, ok := strings.CutPrefix(g.archive.Files[0].Name, "client ")
			name, operation, _ := strings.Cut(who, "/")
			server := embedServer(name)
			if !ok || server == nil {
				t.Fatalf("the first section is of no client that we know: %s", who)
			}
			seen[who] = true
			call, err := server.DecodeEmbed(operation, g.archive.Files[0].Data)
			if e, ok := errors.AsType[*llm.Error](err); ok {
				_, body := server.Refuse(e, "")
				g.same(t, "refused", body)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			g.upstreams(t, name, call.Request)
			var made llm.Embeddings
			if err := json.Unmarshal(g.section("made"), &made); err != nil {
				t.Fatal(err)
			}
			body, err := call.Encode(&made)
			if err != nil {
				t.Fatal(err)
			}
			g.same(t, "answer", took.ReplaceAll(body, []byte(`${1}9`)))
		})
	}
	for _, e := range embedders(t) {
		if call := e.server.Name() + "/" + e.operation; !seen[call] {
			t.Errorf("no file in testdata/embeddings has a call of %s", call)
		}
	}
}

// took is what comes from the clock.
var took = regexp.MustCompile(`("total_duration":)\d+`)

func embedServer(name string) dialect.EmbedServer {
	for _, s := range suites() {
		if server, ok := s.Server.(dialect.EmbedServer); ok && server.Name() == name {
			return server
		}
	}
	return nil
}

// upstreams compares what the upstreams of all dialects are asked.
func (g *golden) upstreams(t *testing.T, from string, r *llm.EmbedRequest) {
	t.Helper()
	var lossy bytes.Buffer
	for _, s := range suites() {
		client, ok := s.Client.(dialect.EmbedClient)
		if !ok {
			continue
		}
		encoded, err := client.EncodeEmbed(r)
		if err != nil {
			t.Fatal(err)
		}
		g.same(t, "upstream "+client.Name()+"/"+encoded.Operation, encoded.Body)
		for _, w := range encoded.Warnings {
			fmt.Fprintf(&lossy, "%s->%s %s %s\n", from, client.Name(), w.Policy, w.Field)
		}
	}
	g.same(t, "lossy", bytes.TrimSuffix(lossy.Bytes(), []byte("\n")))
}

// same compares a line, or some, with a section.
func (g *golden) same(t *testing.T, name string, got []byte) {
	t.Helper()
	if len(got) > 0 {
		got = append(got, '\n')
	}
	if *update {
		g.set(name, bytes.Clone(got))
	}
	if want := g.section(name); !bytes.Equal(got, want) {
		t.Errorf("%s is not as in %s, %s", name, g.path, difference(string(got), string(want)))
	}
}
