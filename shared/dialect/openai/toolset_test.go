package openai

import (
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	toolF      = `{"type":"function","function":{"name":"f","strict":true}}`
	toolG      = `{"type":"function","function":{"name":"g"}}`
	chooseF    = `{"type":"function","function":{"name":"f"}}`
	chooseSome = `{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[` + chooseF + `]}}`
)

// fitted are toolsets as clients of OpenAI's write them, and what an upstream
// gets that takes less.
var fitted = []struct {
	name           string
	client         Client
	choice         llm.ToolChoice
	wire           string // the same choice
	tools, fit     string
	dropped, asked []string
}{
	{name: "all is taken", choice: llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}}, wire: chooseF, tools: toolF + "," + toolG, fit: chooseF},
	{name: "strictness", client: Client{Refused: []Refusal{{Fields: []string{"tools.strict"}}}}, choice: llm.ToolChoice{Mode: llm.ToolsNone}, wire: `"none"`,
		tools: `{"type":"function","function":{"name":"f"}},` + toolG, fit: `"none"`, dropped: []string{"tools.strict"}},
	{name: "a function, by its name", client: Client{ToolChoice: "function"}, choice: llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}}, wire: chooseF, tools: toolF + "," + toolG, fit: chooseF},
	{name: "a function, by a word", client: Client{ToolChoice: "word"}, choice: llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}}, wire: chooseF, tools: toolF, fit: `"required"`},
	{name: "some functions", client: Client{ToolChoice: "function"}, choice: llm.ToolChoice{Mode: llm.ToolsAuto, Only: []string{"g"}},
		wire: `{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"g"}}]}}`, tools: toolG, fit: `"auto"`},
	{name: "a call that is not to be forced", client: Client{Refused: []Refusal{{Fields: []string{"tool_choice"}}}}, choice: llm.ToolChoice{Mode: llm.ToolsRequired}, wire: `"required"`,
		tools: toolF + "," + toolG, fit: `"auto"`, asked: []string{"tool_choice"}},
	{name: "one that is not to be forced", client: Client{Refused: []Refusal{{Fields: []string{"tool_choice"}}}}, choice: llm.ToolChoice{Mode: llm.ToolsRequired, Only: []string{"f"}}, wire: chooseF,
		tools: toolF, fit: `"auto"`, asked: []string{"tool_choice"}},
	{name: "none, which is not forced", client: Client{ToolChoice: "word", Refused: []Refusal{{Fields: []string{"tool_choice"}}}}, choice: llm.ToolChoice{Mode: llm.ToolsNone}, wire: `"none"`, tools: toolF + "," + toolG, fit: `"none"`},
}

func TestToolsAreMadeToFit(t *testing.T) {
	for _, tt := range fitted {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.client.Encode(&llm.Request{Model: "m", Tools: []llm.Tool{{Name: "f", Strict: new(true)}, {Name: "g"}}, ToolChoice: &tt.choice})
			if err != nil {
				t.Fatal(err)
			}
			messages, warnings := "", []llm.Warning(nil)
			for _, field := range tt.dropped {
				warnings = append(warnings, llm.Warning{Policy: llm.Dropped, Field: field})
			}
			for _, field := range tt.asked {
				messages = `{"role":"system","content":"You must answer by calling one of the tools."}`
				if len(tt.choice.Only) > 0 {
					messages = `{"role":"system","content":"You must answer by calling the tool f."}`
				}
				warnings = append(warnings, llm.Warning{Policy: llm.Emulated, Field: field, Weak: true})
			}
			want := `{"model":"m","messages":[` + messages + `],"tools":[` + tt.tools + `],"tool_choice":` + tt.fit + `}`
			if string(got.Body) != want || !slices.Equal(got.Warnings, warnings) {
				t.Errorf("got  %s %v\nwant %s %v", got.Body, got.Warnings, want, warnings)
			}
		})
	}
}

func TestToolsOfCallsThatPassAreMadeToFit(t *testing.T) {
	for _, tt := range fitted {
		t.Run(tt.name, func(t *testing.T) {
			tt.client.Adapts = true
			body := `{"model":"m","tools":[` + toolF + `,` + toolG + `], "tool_choice":` + tt.wire + `}`
			got, warnings := tt.client.Adapt(chatCompletions, []byte(body))
			want := `{"model":"m","tools":[` + tt.tools + `],"tool_choice":` + tt.fit + `}`
			if tt.fit == tt.wire && tt.dropped == nil {
				want = body // not a byte is changed
			}
			var dropped []string
			for _, w := range warnings {
				dropped = append(dropped, w.Field)
			}
			if string(got) != want || !slices.Equal(dropped, slices.Concat(tt.dropped, tt.asked)) {
				t.Errorf("got  %s %v\nwant %s %v", got, dropped, want, slices.Concat(tt.dropped, tt.asked))
			}
		})
	}
	deepseek := Client{Adapts: true, Refused: []Refusal{{Thinking: true, Fields: []string{"tool_choice"}}}}
	const calm = `{"thinking":{"type":"disabled"},"tools":[` + toolF + `],"tool_choice":"required"}`
	if got, _ := deepseek.Adapt(chatCompletions, []byte(calm)); string(got) != calm {
		t.Errorf("without thinking: got %s want it untouched", got)
	}
	several := Client{Adapts: true, ToolChoice: "word"}
	const listed = `{"tools":[` + toolG + `,` + toolF + `],"tool_choice":` + chooseSome + `}`
	if got, _ := several.Adapt(chatCompletions, []byte(listed)); string(got) != `{"tools":[`+toolF+`],"tool_choice":"required"}` {
		t.Errorf("allowed tools: got %s", got)
	}
}

func TestAnUpstreamWithoutToolsIsOfferedNone(t *testing.T) {
	r := &llm.Request{Model: "m", Tools: []llm.Tool{{Name: "f"}}}
	_, err := Client{NoTools: true}.Encode(r)
	if e := llm.AsError(err); e == nil || e.Code != llm.CodeUnsupported || e.Param != "tools" {
		t.Errorf("got %v, want the tools refused", err)
	}
	r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolsNone}
	got, err := Client{NoTools: true}.Encode(r)
	if err != nil || string(got.Body) != `{"model":"m","messages":[]}` || !slices.Equal(got.Warnings, []llm.Warning{{Policy: llm.Dropped, Field: "tools"}}) {
		t.Errorf("none is to be called: got %+v, %v", got, err)
	}
}

func TestARefusalIsAboutModels(t *testing.T) {
	for pattern, models := range map[string][]string{
		"gpt-5.*-chat": {"gpt-5.1-chat-latest", "gpt-5.12-chat"}, "gpt-5": {"gpt-5", "gpt-5.1-chat", "gpt-5-chat-latest", "gpt-5.12-chat", "gpt-5.1-chat-latest"}, "": {"x", "gpt-5"},
	} {
		for _, model := range []string{"x", "gpt-5", "gpt-5.1-chat-latest", "gpt-5.12-chat", "gpt-5-chat-latest"} {
			if want := slices.Contains(models, model) || pattern == ""; isOf(pattern, model) != want {
				t.Errorf("%q is about %s: got %t want %t", pattern, model, !want, want)
			}
		}
	}
}
