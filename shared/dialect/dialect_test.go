package dialect_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/dialect/openai/responses"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// suites lists the dialects. A new one is its folder and a function here.
func suites() []dialecttest.Suite {
	return []dialecttest.Suite{openaiSuite(), responsesSuite(), anthropicSuite(), ollamaSuite()}
}

func openaiSuite() dialecttest.Suite {
	return dialecttest.Suite{
		Server: openai.Server{}, Client: openai.Client{}, Operation: "chat/completions",
		Model: "gpt-4o", Frames: frame.SSE,
		Unknown: []string{
			": comment\n\n", "event: later\n\n",
			"data: {\"object\":\"chat.completion.chunk\",\"choices\":[]}\n\n", "data: {\"object\":\"later\",\"x\":[1]}\n\n",
		},
		Requests: []requestLoss{noResultNames, noNamelessSchema, noUnsaidStrictness},
	}
}

func responsesSuite() dialecttest.Suite {
	return dialecttest.Suite{
		Server: responses.Server{}, Client: responses.Client{}, Operation: "responses",
		Model: "gpt-5", Frames: frame.SSE,
		Settle:   func(text []byte) []byte { return settled(text, "") },
		Unknown:  []string{": comment\n\n", "event: later\n\n", "data: {\"type\":\"response.later\",\"output_index\":\"x\",\"delta\":{}}\n\n"},
		Answers:  []loss{noID, noSignature},
		Requests: []requestLoss{noResultNames, noNamelessSchema, noUnsaidStrictness, noToolStrictness, noStops},
	}
}

func anthropicSuite() dialecttest.Suite {
	return dialecttest.Suite{
		Server: anthropic.Server{}, Client: anthropic.Client{}, Operation: "messages",
		Model: "claude-sonnet-4-5", Frames: frame.SSE,
		Unknown: []string{
			"event: later\ndata: {\"type\":\"later\",\"index\":\"x\",\"delta\":5}\n\n",
			": comment\n\n", "event: ping\ndata: {\"type\": \"ping\"}\n\n",
		},
		Answers:  []loss{noCreated},
		Wholes:   []loss{noCutCall},
		Requests: []requestLoss{noResultNames, noBlankStops},
	}
}

func ollamaSuite() dialecttest.Suite {
	return dialecttest.Suite{
		Server: ollama.Server{}, Client: ollama.Client{}, Operation: "chat",
		Model: "some/model:1b", Frames: frame.NDJSON,
		Settle:   func(text []byte) []byte { return settled(text, "") },
		Unknown:  []string{"\n", " \t\r\n"},
		Answers:  []loss{noID, noCreated, noSignature, noCaches, noFilter, noCutCall},
		Requests: []requestLoss{noPlaces, noToolChoice, noUnsaidStrictness},
	}
}

type (
	loss        = dialecttest.Loss[llm.Response]
	requestLoss = dialecttest.Loss[llm.Request]
)

var (
	noID        = loss{What: "the id of an answer", Forget: func(r *llm.Response) { r.ID = "" }}
	noCreated   = loss{What: "when an answer began; lines say when they were written", Forget: func(r *llm.Response) { r.Created = time.Time{} }}
	noSignature = loss{What: "signatures", Forget: eachBlock(func(b llm.Thinking) llm.Thinking { b.Signature = ""; return b })}
	noCutCall   = loss{What: "arguments that are cut off", Forget: eachBlock(func(b llm.ToolCall) llm.ToolCall {
		if !strings.HasSuffix(b.Arguments, "}") {
			b.Arguments = "{}"
		}
		return b
	})}
	noCaches = loss{What: "how the tokens of the prompt were read, and which were thoughts", Forget: func(r *llm.Response) {
		if r.Finish.Usage != nil {
			r.Finish.Usage = &llm.Usage{Input: r.Finish.Usage.Prompt(), Output: r.Finish.Usage.Output}
		}
	}}
	noFilter = loss{What: "that the content was filtered", Forget: func(r *llm.Response) {
		if r.Finish.Reason == llm.FinishContentFilter {
			r.Finish.Reason = llm.FinishStop
		}
	}}
)

var (
	noResultNames = requestLoss{What: "the names of tools at their results, which go by the call's id", Forget: func(r *llm.Request) {
		for _, m := range r.Messages {
			for i, b := range m.Content {
				if result, ok := b.(llm.ToolResult); ok && result.CallID != "" {
					result.Name = ""
					m.Content[i] = result
				}
			}
		}
	}}
	noNamelessSchema = requestLoss{What: "that a schema has no name", Forget: func(r *llm.Request) {
		if r.Format != nil {
			r.Format.Name = cmp.Or(r.Format.Name, "response")
		}
	}}
	noUnsaidStrictness = requestLoss{What: "that nobody said how strictly a schema holds", Forget: func(r *llm.Request) {
		if r.Format != nil && len(r.Format.Schema) > 0 && r.Format.Strict == nil {
			r.Format.Strict = new(false)
		}
	}}
	noToolStrictness = requestLoss{What: "that nobody said how strictly the schema of a tool holds", Forget: func(r *llm.Request) {
		for i := range r.Tools {
			r.Tools[i].Strict = cmp.Or(r.Tools[i].Strict, new(false))
		}
	}}
	noStops      = requestLoss{What: "stop sequences", Forget: func(r *llm.Request) { r.Limits.Stop = nil }}
	noBlankStops = requestLoss{What: "stop sequences of white space, which the API refuses", Forget: func(r *llm.Request) {
		r.Limits.Stop = slices.DeleteFunc(r.Limits.Stop, func(s string) bool { return strings.TrimSpace(s) == "" })
	}}
	noPlaces = requestLoss{What: "where pictures stand among texts", Forget: func(r *llm.Request) {
		for _, m := range r.Messages {
			slices.SortStableFunc(m.Content, func(a, b llm.Block) int { return cmp.Compare(fmt.Sprintf("%T", a), fmt.Sprintf("%T", b)) })
		}
	}}
	noToolChoice = requestLoss{What: "that tools may not or must be called, but by leaving them out and by a hint", Forget: func(r *llm.Request) {
		if r.ToolChoice != nil && r.ToolChoice.Mode == llm.ToolsNone {
			r.Tools = nil
		}
		r.ToolChoice = nil
		r.System = slices.DeleteFunc(r.System, func(b llm.Block) bool {
			text, ok := b.(llm.Text)
			return ok && strings.HasPrefix(text.Text, "You must answer by calling")
		})
	}}
)

func eachBlock[B llm.Block](forget func(B) B) func(*llm.Response) {
	return func(r *llm.Response) {
		for i, b := range r.Content {
			if b, ok := b.(B); ok {
				r.Content[i] = forget(b)
			}
		}
	}
}

func TestConformance(t *testing.T) {
	for _, s := range suites() {
		t.Run(s.Server.Name(), func(t *testing.T) {
			t.Parallel()
			dialecttest.Run(t, s)
		})
	}
}

func TestEveryDialectIsListed(t *testing.T) {
	var folders, listed []string
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || !e.IsDir() || path == ".":
			return err
		case e.Name() == "dialecttest" || e.Name() == "testdata":
			return fs.SkipDir
		}
		folders = append(folders, e.Name())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites() {
		listed = append(listed, s.Server.Name())
	}
	slices.Sort(folders)
	slices.Sort(listed)
	if !slices.Equal(folders, listed) {
		t.Errorf("the folders are %q, the list of suites has %q", folders, listed)
	}
}
