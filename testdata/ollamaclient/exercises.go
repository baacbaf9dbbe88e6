package main

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/ollama/ollama/api"
)

// exercises are all that can be done.
var exercises = map[string]func(*user, context.Context) error{
	"heartbeat": func(u *user, ctx context.Context) error { return u.Heartbeat(ctx) },
	"version":   (*user).version,
	"status":    (*user).status,
	"list":      (*user).list,
	"running":   (*user).running,
	"show":      (*user).show,
	"pull":      (*user).pull,

	"chat":       chat(func(*api.ChatRequest) {}),
	"turns":      (*user).turns,
	"leave":      (*user).leave,
	"think":      chat(think(true)),
	"think-not":  chat(think(false)),
	"think-high": chat(think("high")),
	"image":      chat(func(r *api.ChatRequest) { r.Messages[1].Images = []api.ImageData{pixel} }),
	"json":       chat(func(r *api.ChatRequest) { r.Format = json.RawMessage(`"json"`) }),
	"schema":     chat(func(r *api.ChatRequest) { r.Format = schema }),
	"options":    chat(func(r *api.ChatRequest) { r.Options, r.KeepAlive = options(), keep(time.Minute) }),
	"logprobs":   chat(func(r *api.ChatRequest) { r.Logprobs, r.TopLogprobs = true, 2 }),
	"load":       chat(func(r *api.ChatRequest) { r.Messages = nil }),
	"unload":     chat(func(r *api.ChatRequest) { r.Messages, r.KeepAlive = nil, keep(0) }),

	"generate":          generate(func(*api.GenerateRequest) {}),
	"generate-options":  generate(func(r *api.GenerateRequest) { r.System, r.Options = system, options() }),
	"generate-image":    generate(func(r *api.GenerateRequest) { r.Images = []api.ImageData{pixel} }),
	"generate-raw":      generate(func(r *api.GenerateRequest) { r.Raw = true }),
	"generate-context":  generate(func(r *api.GenerateRequest) { r.Context = []int{1, 2} }),
	"generate-suffix":   generate(func(r *api.GenerateRequest) { r.Suffix = "}" }),
	"generate-template": generate(func(r *api.GenerateRequest) { r.Template = "{{ .Prompt }}" }),
	"generate-load":     generate(func(r *api.GenerateRequest) { r.Prompt = "" }),
	"generate-unload":   generate(func(r *api.GenerateRequest) { r.Prompt, r.KeepAlive = "", keep(0) }),

	"embed":      func(u *user, ctx context.Context) error { return u.embed(ctx, u.say) },
	"embed-many": func(u *user, ctx context.Context) error { return u.embed(ctx, []string{u.say, u.say + u.say}) },
	"embeddings": (*user).embeddings,
}

const system = "Be brief."

var (
	schema = json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`)
	pixel  = api.ImageData("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89")
)

func options() map[string]any {
	return map[string]any{"temperature": 0.5, "seed": 7, "num_predict": 100, "stop": []string{"END"}, "num_ctx": 4096}
}

func keep(d time.Duration) *api.Duration { return &api.Duration{Duration: d} }

func think(value any) func(*api.ChatRequest) {
	return func(r *api.ChatRequest) { r.Think = &api.ThinkValue{Value: value} }
}

// streaming is what is said of streams: nothing where one is wanted, for that
// is the default.
func (u *user) streaming() *bool {
	if u.whole {
		return new(false)
	}
	return nil
}

// chat is a call that change makes special.
func chat(change func(*api.ChatRequest)) func(*user, context.Context) error {
	return func(u *user, ctx context.Context) error {
		r := &api.ChatRequest{Model: u.model, Stream: u.streaming(), Messages: []api.Message{
			{Role: "system", Content: system}, {Role: "user", Content: u.say},
		}}
		change(r)
		a := &answer{got: &u.got}
		return a.end(u.Chat(ctx, r, a.chat))
	}
}

func generate(change func(*api.GenerateRequest)) func(*user, context.Context) error {
	return func(u *user, ctx context.Context) error {
		r := &api.GenerateRequest{Model: u.model, Stream: u.streaming(), Prompt: u.say}
		change(r)
		a := &answer{got: &u.got}
		return a.end(u.Generate(ctx, r, a.generate))
	}
}

// tools are one with arguments, and one for which the client sends a schema
// that is hardly one: {"type":"","properties":null}.
func tools() api.Tools {
	places := api.NewToolPropertiesMap()
	places.Set("location", api.ToolProperty{Type: api.PropertyType{"string"}, Description: "a city"})
	weather := api.ToolFunction{Name: "get_weather", Description: "tells the weather", Parameters: api.ToolFunctionParameters{
		Type: "object", Properties: places, Required: []string{"location"},
	}}
	return api.Tools{{Type: "function", Function: weather}, {Type: "function", Function: api.ToolFunction{Name: "get_time"}}}
}

var toolResults = map[string]string{"get_weather": "sunny", "get_time": "noon"}

// turns lets the model call tools, and tells it what came of that.
func (u *user) turns(ctx context.Context) error {
	r := &api.ChatRequest{Model: u.model, Stream: u.streaming(), Tools: tools(), Messages: []api.Message{
		{Role: "system", Content: system}, {Role: "user", Content: u.say},
	}}
	said := api.Message{Role: "assistant"}
	a := &answer{got: &u.got}
	err := u.Chat(ctx, r, func(piece api.ChatResponse) error {
		said.Content, said.Thinking = said.Content+piece.Message.Content, said.Thinking+piece.Message.Thinking
		said.ToolCalls = append(said.ToolCalls, piece.Message.ToolCalls...)
		return a.chat(piece)
	})
	if err := a.end(err); err != nil {
		return err
	}
	r.Model, r.Messages = u.then, append(r.Messages, said)
	for _, c := range said.ToolCalls {
		r.Messages = append(r.Messages, api.Message{Role: "tool", Content: toolResults[c.Function.Name], ToolName: c.Function.Name, ToolCallID: c.ID})
	}
	a = &answer{got: &u.got}
	return a.end(u.Chat(ctx, r, a.chat))
}

// leave hangs up in the middle of the answer.
func (u *user) leave(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &answer{got: &u.got}
	r := &api.ChatRequest{Model: u.model, Messages: []api.Message{{Role: "user", Content: u.say}}}
	return a.end(u.Chat(ctx, r, func(piece api.ChatResponse) error {
		cancel()
		return a.chat(piece)
	}))
}

func (u *user) embed(ctx context.Context, input any) error {
	got, err := u.Embed(ctx, &api.EmbedRequest{Model: u.model, Input: input})
	if err != nil {
		return err
	}
	u.got.Model, u.got.Tokens = got.Model, []int{got.PromptEvalCount}
	for _, v := range got.Embeddings {
		wide := make([]float64, len(v))
		for i, x := range v {
			wide[i] = float64(x)
		}
		u.got.Vectors = append(u.got.Vectors, wide)
	}
	if got.TotalDuration < 1 || got.LoadDuration < 1 {
		u.got.wrong("a duration is missing in %+v", got)
	}
	return nil
}

func (u *user) embeddings(ctx context.Context) error {
	got, err := u.Embeddings(ctx, &api.EmbeddingRequest{Model: u.model, Prompt: u.say})
	if err == nil {
		u.got.Vectors = [][]float64{slices.Clone(got.Embedding)}
	}
	return err
}
