package responses

import (
	"errors"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestInputTokensAreEstimated(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"a text", `{"model":"m","input":"12345678"}`, `{"object":"response.input_tokens","input_tokens":2}`},
		{"instructions and tools", `{"model":"m","instructions":"1234","input":[{"role":"user","content":"1234"}],"tools":[{"type":"function","name":"f123","parameters":{}}]}`,
			`{"object":"response.input_tokens","input_tokens":4}`},
		{"no input", `{"model":"m"}`, `{"object":"response.input_tokens","input_tokens":1}`},
		{"null", `{"input":null,"model":"m"}`, `{"object":"response.input_tokens","input_tokens":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := Server{}.Decode("responses/input_tokens", []byte(tt.body))
			if err != nil || string(call.Reply) != tt.want {
				t.Errorf("got %s, %v want %s", call.Reply, err, tt.want)
			}
		})
	}
	_, err := Server{}.Decode("responses/input_tokens", []byte(`{"model":"m","input":7}`))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeInvalid {
		t.Errorf("an input of another type: got %v", err)
	}
	if f := (Server{}).Framing("responses/input_tokens"); f.Error != nil {
		t.Error("a count has the framing of a stream")
	}
}

func TestNoAnswerIsKept(t *testing.T) {
	status, body := Server{}.Refuse(NotFound("resp_1"), "")
	const want = `{"error":{"message":"Response with id 'resp_1' not found.","type":"invalid_request_error","param":null,"code":"response_not_found"}}`
	if status != 404 || string(body) != want {
		t.Errorf("got %d %s want 404 %s", status, body, want)
	}
}
