package dialecttest

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// pixel is a picture, in base64.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// requests are what a dialect must be able to ask, by what they show.
func requests() map[string]llm.Request {
	user := func(content ...llm.Block) llm.Message { return llm.Message{Role: llm.RoleUser, Content: content} }
	assistant := func(content ...llm.Block) llm.Message {
		return llm.Message{Role: llm.RoleAssistant, Content: content}
	}
	text := func(s string) llm.Block { return llm.Text{Text: s} }
	weather := llm.Tool{
		Name: "get_weather", Description: "Says how the weather is.",
		Parameters: json.RawMessage(`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}},"required":["z"],"additionalProperties":false}`),
	}
	call := llm.ToolCall{ID: "call_1", Name: "get_weather", Arguments: `{"z":"Paris","a":1}`}
	result := llm.ToolResult{CallID: "call_1", Name: "get_weather", Content: llm.Blocks{text("18 °C <sunny>")}}
	hi := []llm.Message{user(text("Hi"))}
	return map[string]llm.Request{
		"a text":          {Messages: hi},
		"a text streamed": {Messages: hi, Stream: true},
		"a system text":   {System: llm.Blocks{text("Be brief.")}, Messages: hi},
		"several turns":   {Messages: []llm.Message{user(text("Hi")), assistant(text("Hello.")), user(text("漢字 😀"))}},
		"a temperature":   {Messages: hi, Sampling: llm.Sampling{Temperature: new(0.5)}},
		"a top share":     {Messages: hi, Sampling: llm.Sampling{TopP: new(0.25)}},
		"an end":          {Messages: hi, Limits: llm.Limits{MaxTokens: 7, Stop: []string{"END", "\n"}}},
		"a tool":          {Messages: hi, Tools: []llm.Tool{weather}},
		"a tool's result": {Messages: []llm.Message{user(text("Weather?")), assistant(call), user(result)}, Tools: []llm.Tool{weather}},
		"text and a call": {Messages: []llm.Message{user(text("Weather?")), assistant(text("I look."), call), user(result)}, Tools: []llm.Tool{weather}},
		"no tools now":    {Messages: hi, Tools: []llm.Tool{weather}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsNone}},
		"a tool at least": {Messages: hi, Tools: []llm.Tool{weather}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired}},
		"a picture": {Messages: []llm.Message{
			user(text("What is this?"), llm.Image{Source: llm.Source{MediaType: "image/png", Data: pixel}}),
		}},
		"JSON by a schema": {Messages: hi, Format: &llm.Format{Schema: weather.Parameters}},
	}
}

func (s Suite) testRequests(t *testing.T) {
	all := requests()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			body, got, want := s.thereAndBack(t, all[name])
			if got, want := showRequest(t, got, s.Requests), showRequest(t, want, s.Requests); got != want {
				t.Errorf("by %s\ngot  %s\nwant %s", body, got, want)
			}
		})
	}
	for i, loss := range s.Requests {
		rest, lost := without(s.Requests, i), false
		for _, r := range all {
			_, got, want := s.thereAndBack(t, r)
			lost = lost || showRequest(t, got, rest) != showRequest(t, want, rest)
		}
		if !lost {
			t.Errorf("every request keeps %s: that is no loss", loss.What)
		}
	}
}

// thereAndBack writes r and reads what was written.
func (s Suite) thereAndBack(t *testing.T, r llm.Request) (body []byte, got, want llm.Request) {
	t.Helper()
	r.Model = s.Model
	r.Limits.MaxTokens = cmp.Or(r.Limits.MaxTokens, 100)
	body = s.request(t, &r)
	if err := rawjson.Check(body); err != nil {
		t.Fatalf("the body is %q: %v", body, err)
	}
	call, err := s.Server.Decode(s.Operation, body)
	if err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	return body, *call.Request, r
}

// showRequest writes a request for comparing, without the losses.
func showRequest(t *testing.T, r llm.Request, losses []Loss[llm.Request]) string {
	t.Helper()
	data, err := rawjson.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var copied llm.Request // losses must not reach the caller's slices
	if err := json.Unmarshal(data, &copied); err != nil {
		t.Fatal(err)
	}
	for _, loss := range losses {
		loss.Forget(&copied)
	}
	if data, err = rawjson.Marshal(copied); err != nil {
		t.Fatal(err)
	}
	return string(data)
}
