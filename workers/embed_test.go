package workers

import (
	"encoding/json"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/demo"
)

func embedJob(t *testing.T, model string) bus.Job {
	t.Helper()
	body, err := json.Marshal(&llm.EmbedRequest{Model: "asked", Input: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	return bus.Job{Encoding: bus.Canonical, Task: llm.TaskEmbed, Model: model, Body: body}
}

func TestEmbeddingsTravelAsOneBody(t *testing.T) {
	messages := perform(t, demo.New(), embedJob(t, demo.Model))
	end := endOf(t, messages)
	if end.Error != nil || end.Usage == nil || end.Usage.Input != 2 {
		t.Fatalf("got the end %+v, want 2 tokens", end)
	}
	if head, ok := messages[0].(bus.Head); !ok || !head.Whole || len(messages) != 3 {
		t.Fatalf("got %+v, want the head of a whole body, and one piece", messages)
	}
	var got llm.Embeddings
	if err := json.Unmarshal(messages[1].(bus.Data), &got); err != nil || len(got.Vectors) != 2 {
		t.Errorf("got %s, %v want 2 vectors", messages[1], err)
	}
}

func TestTasksThatCannotBePerformed(t *testing.T) {
	later := embedJob(t, "m")
	later.Task = "later"
	broken := embedJob(t, demo.Model)
	broken.Body = []byte(`{"input":5}`)
	tests := []struct {
		name     string
		provider Provider
		job      bus.Job
		code     llm.Code
		message  string
	}{
		{"a provider without embeddings", script{}, embedJob(t, "m"), llm.CodeUnsupported, "model 'm' does not support embeddings"},
		{"a task of another version", script{events: whole}, later, llm.CodeUnsupported, "model 'm' cannot do this: later"},
		{"a body of another shape", demo.New(), broken, llm.CodeInternal, "internal error"},
		{"an unknown model", demo.New(), embedJob(t, "m"), llm.CodeModelNotFound, "model 'm' not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			messages := perform(t, tt.provider, tt.job)
			end := endOf(t, messages)
			if end.Error == nil || end.Error.Code != tt.code || end.Error.Message != tt.message || len(messages) != 1 {
				t.Errorf("got %+v, want %s: %s and nothing else", messages, tt.code, tt.message)
			}
		})
	}
}
