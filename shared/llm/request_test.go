package llm_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// fullRequest is one with every field set.
func fullRequest() llm.Request {
	return llm.Request{
		Model:  "m",
		System: llm.Blocks{llm.Text{Text: "be brief"}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Name: "ann", Content: blocks()},
			{Role: llm.RoleAssistant},
		},
		Tools: []llm.Tool{
			{Name: "f", Description: "d", Parameters: json.RawMessage(`{"z":1,"a":2}`), Strict: new(false)},
			{Provider: &llm.Opaque{Dialect: "x", Kind: "search", JSON: json.RawMessage(`{}`)}},
		},
		ToolChoice: &llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}, Serial: true},
		Sampling: llm.Sampling{
			Temperature: new(0.0), TopP: new(0.5), TopK: new(0), MinP: new(0.1), Seed: new(int64(1) << 60),
			FrequencyPenalty: new(0.0), PresencePenalty: new(-1.5), RepeatPenalty: new(1.1),
		},
		Limits:    llm.Limits{MaxTokens: 5, Stop: []string{"\n"}},
		Format:    &llm.Format{Schema: json.RawMessage(`{"type":"object"}`), Name: "n", Description: "d", Strict: new(true)},
		Reasoning: &llm.Reasoning{Effort: llm.EffortHigh, Budget: 9, Hidden: true},
		Logprobs:  new(0),
		User:      "u",
		Stream:    true,
		Extra:     map[string]json.RawMessage{"logit_bias": json.RawMessage(`{"1":-100}`)},
	}
}

func TestARequestComesBackFromJSONAsItWas(t *testing.T) {
	want := fullRequest()
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got llm.Request
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	// The raw JSON of opaque blocks is compared by the tests of blocks.
	if a, b := plain(text(t, got)), plain(text(t, want)); a != b {
		t.Errorf("got %s\nwant %s", a, b)
	}
	got.Messages, want.Messages = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v want %#v", got, want)
	}
}

func TestAnEmptyRequestSaysOnlyItsModel(t *testing.T) {
	if got, want := text(t, llm.Request{Model: "m"}), `{"model":"m"}`; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestARequestTravelsAsJSON(t *testing.T) {
	full := fullRequest()
	for _, want := range []*llm.Request{
		{}, {Model: "m"}, {Messages: []llm.Message{{Role: llm.RoleUser}}}, {System: llm.Blocks{llm.Text{Text: "<a> é"}}}, &full,
	} {
		data, err := llm.AppendRequest([]byte("before "), want)
		if err != nil {
			t.Fatal(err)
		}
		data, ok := bytes.CutPrefix(data, []byte("before "))
		if !ok || !json.Valid(data) {
			t.Errorf("AppendRequest appends %s", data)
		}
		got, err := llm.ParseRequest(data)
		if err != nil || text(t, got) != text(t, want) {
			t.Errorf("got %s, %v want %s", text(t, got), err, text(t, want))
		}
		checkParse(t, data)
	}
}

func TestARequestThatCannotBeWrittenLeavesWhatWasThere(t *testing.T) {
	for _, r := range []*llm.Request{
		{System: llm.Blocks{nil}}, {Messages: []llm.Message{{Content: llm.Blocks{nil}}}}, {Extra: map[string]json.RawMessage{"a": json.RawMessage("{")}},
	} {
		if got, err := llm.AppendRequest([]byte("kept"), r); err == nil || string(got) != "kept" {
			t.Errorf("got %s, %v want an error", got, err)
		}
	}
}

// FuzzParseRequest compares the reading of requests with that of encoding/json.
func FuzzParseRequest(f *testing.F) {
	full := fullRequest()
	data, err := llm.AppendRequest(nil, &full)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"model":1}`, `{"messages":null,"system":null}`, `{"messages":{}}`, `{"messages":[1]}`, `{"messages":[null]}`,
		`{"messages":[{"role":null,"content":null,"name":"\ud83d"}]}`, `{"messages":[{"role":1}]}`, `{"system":[{"text":{"text":1}}]}`, `{"system":"a"}`, `{"a\u0062":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkParse)
}

func checkParse(t *testing.T, data []byte) {
	if rawjson.Check(data) != nil || oddKeys(data) {
		return
	}
	want := new(llm.Request)
	failed := json.Unmarshal(data, want)
	got, err := llm.ParseRequest(data)
	if (err == nil) != (failed == nil) {
		t.Fatalf("%s: got the error %v want %v", data, err, failed)
	}
	if err == nil && text(t, got) != text(t, want) {
		t.Errorf("%s: got %s want %s", data, text(t, got), text(t, want))
	}
}

// oddKeys reports whether there are keys that encoding/json takes for others,
// or more than once: nobody writes such.
func oddKeys(object []byte) bool {
	seen := map[string]bool{}
	for f := range rawjson.Fields(object) {
		key := strings.ToLower(f.Key)
		if seen[key] || key != f.Key {
			return true
		}
		if seen[key] = true; key != "messages" || f.Value[0] != '[' {
			continue
		}
		for m := range rawjson.Elements(f.Value) {
			if rawjson.IsObject(m) && oddKeys(m) {
				return true
			}
		}
	}
	return false
}
