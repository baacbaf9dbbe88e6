package ollama

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestDecodeEmbedReadsTexts(t *testing.T) {
	tests := []struct {
		name, operation, body string
		want                  llm.EmbedRequest
	}{
		{"one", "embed", `{"model":"m","input":"a"}`, llm.EmbedRequest{Model: "m", Input: []string{"a"}}},
		{"several, also empty ones", "embed", `{"model":"m","input":["a",""]}`, llm.EmbedRequest{Model: "m", Input: []string{"a", ""}}},
		{"with all that can be said", "embed", `{"model":"m","input":["a"],"dimensions":3,"truncate":false,"options":{"num_ctx":1},"keep_alive":"5m","x":1,"y":null}`,
			llm.EmbedRequest{Model: "m", Input: []string{"a"}, Dimensions: 3, Extra: map[string]json.RawMessage{
				"truncate": json.RawMessage("false"), "options": json.RawMessage(`{"num_ctx":1}`), "keep_alive": json.RawMessage(`"5m"`), "x": json.RawMessage("1"),
			}}},
		{"with negative dimensions", "embed", `{"model":"m","input":"a","dimensions":-1}`, llm.EmbedRequest{Model: "m", Input: []string{"a"}}},
		{"the older way", "embeddings", `{"model":"m","prompt":"a","options":{"num_ctx":1}}`,
			llm.EmbedRequest{Model: "m", Input: []string{"a"}, Extra: map[string]json.RawMessage{"options": json.RawMessage(`{"num_ctx":1}`)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := newServer().DecodeEmbed(tt.operation, []byte(tt.body))
			if err != nil || call.Reply != nil {
				t.Fatalf("got %+v, %v", call, err)
			}
			if !reflect.DeepEqual(*call.Request, tt.want) {
				t.Errorf("got %+v, want %+v", *call.Request, tt.want)
			}
		})
	}
}

func TestNothingToEmbedNeedsNoUpstream(t *testing.T) {
	const none, older = `{"model":"m","embeddings":[]}`, `{"embedding":[]}`
	for _, tt := range []struct{ operation, body, want string }{
		{"embed", `{"model":"m"}`, none},
		{"embed", `{"model":"m","input":null}`, none},
		{"embed", `{"model":"m","input":""}`, none},
		{"embed", `{"model":"m","input":[],"keep_alive":0}`, none},
		{"embeddings", `{"model":"m"}`, older},
		{"embeddings", `{"model":"m","prompt":""}`, older},
	} {
		call, err := newServer().DecodeEmbed(tt.operation, []byte(tt.body))
		if err != nil || string(call.Reply) != tt.want {
			t.Errorf("%s %s: got %+v, %v want %s", tt.operation, tt.body, call, err, tt.want)
		}
	}
}

func TestDecodeEmbedRefuses(t *testing.T) {
	tests := []struct {
		name, operation, body string
		code                  llm.Code
		want                  string
	}{
		{"no model", "embed", `{"input":"a"}`, llm.CodeModelNotFound, "model '' not found"},
		{"no model, the older way", "embeddings", `{"prompt":"a"}`, llm.CodeInvalid, "model is required"},
		{"a number", "embed", `{"model":"m","input":5}`, llm.CodeInvalid, "invalid input type"},
		{"tokens", "embed", `{"model":"m","input":[1,2]}`, llm.CodeInvalid, "invalid input type"},
		{"a text and a token", "embed", `{"model":"m","input":["a",2]}`, llm.CodeInvalid, "invalid input type"},
		{"a text and nothing", "embed", `{"model":"m","input":["a",null]}`, llm.CodeInvalid, "invalid input type"},
		{"an object", "embed", `{"model":"m","input":{}}`, llm.CodeInvalid, "invalid input type"},
		{"a list of prompts", "embeddings", `{"model":"m","prompt":["a"]}`, llm.CodeInvalid, "json: cannot unmarshal array into field prompt"},
		{"a bad time to keep it", "embed", `{"model":"m","input":"a","keep_alive":"5"}`, llm.CodeInvalid, `time: missing unit in duration "5"`},
		{"options of another type", "embed", `{"model":"m","input":"a","options":5}`, llm.CodeInvalid, "options must be an object"},
		{"another operation", "chat", `{"model":"m"}`, llm.CodeNotFound, "unknown operation: chat"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newServer().DecodeEmbed(tt.operation, []byte(tt.body))
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != tt.code || e.Message != tt.want {
				t.Errorf("got %#v, want %s: %s", err, tt.code, tt.want)
			}
		})
	}
}

func TestEmbeddingsAreWritten(t *testing.T) {
	usage := &llm.Usage{Input: 7}
	tests := []struct {
		name, operation, body, want string
		in                          llm.Embeddings
	}{
		{"with the length 1", "embed", `{"model":"m","input":["a","b"]}`,
			`{"model":"m","embeddings":[[0.6,-0.8],[1,0]],"total_duration":100000000,"load_duration":1,"prompt_eval_count":7}`,
			llm.Embeddings{Model: "other", Vectors: [][]float64{{3, -4}, {0.1, 0}}, Usage: usage}},
		{"cut, and with the length 1 again", "embed", `{"model":"m","input":"a","dimensions":2}`,
			`{"model":"m","embeddings":[[0.6,0.8]],"total_duration":100000000,"load_duration":1}`,
			llm.Embeddings{Vectors: [][]float64{{3, 4, 12}}}},
		{"with fewer dimensions than were asked for", "embed", `{"model":"m","input":"a","dimensions":9}`,
			`{"model":"m","embeddings":[[1]],"total_duration":100000000,"load_duration":1}`,
			llm.Embeddings{Vectors: [][]float64{{5}}}},
		{"of nothing", "embed", `{"model":"m","input":"a"}`,
			`{"model":"m","embeddings":[[0,0]],"total_duration":100000000,"load_duration":1}`,
			llm.Embeddings{Vectors: [][]float64{{0, 0}}}},
		{"of great numbers", "embed", `{"model":"m","input":"a"}`,
			`{"model":"m","embeddings":[[0.6,0.8]],"total_duration":100000000,"load_duration":1}`,
			llm.Embeddings{Vectors: [][]float64{{3e300, 4e300}}}},
		{"as they are, the older way", "embeddings", `{"model":"m","prompt":"a"}`,
			`{"embedding":[3,-4.123456789012345]}`,
			llm.Embeddings{Vectors: [][]float64{{3, -4.123456789012345}}, Usage: usage}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := newServer().DecodeEmbed(tt.operation, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := call.Encode(&tt.in); err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestEmbeddingsAreRead(t *testing.T) {
	tests := []struct {
		name, operation, body string
		want                  [][]float64
		usage                 *llm.Usage
	}{
		{"several", "embed", `{"model":"m","embeddings":[[1,0],[0,1]],"prompt_eval_count":5}`, [][]float64{{1, 0}, {0, 1}}, &llm.Usage{Input: 5}},
		{"without a count", "embed", `{"embeddings":[[1]]}`, [][]float64{{1}}, nil},
		{"the older way", "embeddings", `{"embedding":[1,2]}`, [][]float64{{1, 2}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Client{}.Embeddings(tt.operation, []byte(tt.body))
			if err != nil || !reflect.DeepEqual(got.Vectors, tt.want) || !reflect.DeepEqual(got.Usage, tt.usage) {
				t.Errorf("got %+v, %v want %v, %v", got, err, tt.want, tt.usage)
			}
			whole, err := Client{}.Whole(tt.operation, []byte(tt.body))
			if err != nil || !reflect.DeepEqual(whole.Finish.Usage, tt.usage) {
				t.Errorf("as a whole: got %+v, %v want the usage %+v", whole, err, tt.usage)
			}
		})
	}
	for _, body := range []string{`{"error":"no"}`, `{"embeddings":[[]]}`, `{"embeddings":[null]}`, `{"embeddings":[["a"]]}`, `{"embeddings":[[1e400]]}`, `[]`, `<`} {
		_, err := Client{}.Embeddings("embed", []byte(body))
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeUpstream {
			t.Errorf("%s: got %v, want an error of the upstream", body, err)
		}
	}
}

func TestEncodeEmbed(t *testing.T) {
	tests := []struct {
		name          string
		in            llm.EmbedRequest
		want, dropped string
	}{
		{"a text", llm.EmbedRequest{Model: "m", Input: []string{"a"}}, `{"model":"m","input":["a"]}`, "[]"},
		{"all", llm.EmbedRequest{Model: "m", Input: []string{"a"}, Dimensions: 2, User: "u", Extra: map[string]json.RawMessage{
			"truncate": json.RawMessage("false"), "options": json.RawMessage(`{"num_ctx":1}`), "keep_alive": json.RawMessage(`"5m"`), "x": json.RawMessage("1"),
		}}, `{"model":"m","input":["a"],"dimensions":2,"truncate":false,"options":{"num_ctx":1},"keep_alive":"5m"}`, "[{dropped user false false} {dropped x false false}]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			extra := len(tt.in.Extra)
			got, err := Client{}.EncodeEmbed(&tt.in)
			if err != nil || got.Operation != "embed" || string(got.Body) != tt.want {
				t.Fatalf("got %+v, %v\nwant %s", got, err, tt.want)
			}
			if dropped := fmt.Sprint(got.Warnings); dropped != tt.dropped {
				t.Errorf("got the warnings %s, want %s", dropped, tt.dropped)
			}
			if len(tt.in.Extra) != extra {
				t.Error("the request was changed")
			}
		})
	}
}

func FuzzDecodeEmbed(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","input":"a"}`, `{"model":"m","input":["a",""],"dimensions":1,"options":{},"keep_alive":"5m","truncate":true}`,
		`{"model":"m","prompt":"a"}`, `{"model":"m","input":[1]}`, `{"model":"m","input":[null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		for _, operation := range []string{"embed", "embeddings"} {
			call, err := newServer().DecodeEmbed(operation, body)
			if err != nil {
				if _, ok := errors.AsType[*llm.Error](err); !ok {
					t.Fatalf("%s: got %v, want an error for clients", operation, err)
				}
				continue
			}
			if call.Reply != nil {
				continue
			}
			vectors := make([][]float64, len(call.Request.Input))
			for i := range vectors {
				vectors[i] = []float64{3, 4}
			}
			answer, err := call.Encode(&llm.Embeddings{Vectors: vectors})
			if err != nil {
				t.Fatal(err)
			}
			again, err := Client{}.Embeddings(operation, answer)
			if err != nil || len(again.Vectors) != len(vectors) {
				t.Fatalf("%s reads as %+v, %v", answer, again, err)
			}
			if out, err := (Client{}).EncodeEmbed(call.Request); err == nil && !json.Valid(out.Body) {
				t.Fatalf("encoded %s", out.Body)
			}
		}
	})
}

func FuzzEmbeddings(f *testing.F) {
	for _, seed := range []string{`{"embeddings":[[1,2]],"prompt_eval_count":1}`, `{"embedding":[1]}`, `{"error":"x"}`, `{"embeddings":[null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, operation := range []string{"embed", "embeddings"} {
			e, err := Client{}.Embeddings(operation, body)
			if err == nil {
				_, err = json.Marshal(e) // fails for a number that is not finite
			}
			if _, ok := errors.AsType[*llm.Error](err); err != nil && !ok {
				t.Fatalf("got %v, want an *llm.Error or embeddings that can travel", err)
			}
		}
	})
}
