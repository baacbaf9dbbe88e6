package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestDecodeEmbedReadsTexts(t *testing.T) {
	tests := []struct {
		name, body string
		want       llm.EmbedRequest
	}{
		{"one", `{"model":"m","input":"a"}`, llm.EmbedRequest{Model: "m", Input: []string{"a"}}},
		{"several", `{"model":"m","input":["a","b"]}`, llm.EmbedRequest{Model: "m", Input: []string{"a", "b"}}},
		{"with all that can be said", `{"model":"m","input":["a"],"encoding_format":"base64","dimensions":3,"user":"u","truncate":true,"x":null}`,
			llm.EmbedRequest{Model: "m", Input: []string{"a"}, Dimensions: 3, User: "u", Extra: map[string]json.RawMessage{"truncate": json.RawMessage("true")}}},
		{"with what means nothing", `{"model":"m","input":"a","encoding_format":null,"dimensions":null,"user":null}`, llm.EmbedRequest{Model: "m", Input: []string{"a"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := Server{}.DecodeEmbed("embeddings", []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Extra == nil {
				tt.want.Extra = call.Request.Extra
				if len(tt.want.Extra) > 0 {
					t.Errorf("got the extra fields %s, want none", tt.want.Extra)
				}
			}
			if !reflect.DeepEqual(*call.Request, tt.want) {
				t.Errorf("got %+v, want %+v", *call.Request, tt.want)
			}
		})
	}
}

func TestDecodeEmbedRefuses(t *testing.T) {
	many := func(n int) string { return `{"input":["a"` + strings.Repeat(`,"a"`, n-1) + `]}` }
	if _, err := (Server{}).DecodeEmbed("embeddings", []byte(many(2048))); err != nil {
		t.Errorf("2048 texts: %v", err)
	}
	const wrong = "Invalid type for 'input': expected a string or an array of strings."
	tests := []struct {
		name, body  string
		code        llm.Code
		param, want string
	}{
		{"no input", `{}`, llm.CodeInvalid, "input", "Missing required parameter: 'input'."},
		{"null", `{"input":null}`, llm.CodeInvalid, "input", "Missing required parameter: 'input'."},
		{"an empty text", `{"input":""}`, llm.CodeInvalid, "input", "Invalid 'input': element 0 is empty."},
		{"an empty text among others", `{"input":["a",""]}`, llm.CodeInvalid, "input", "Invalid 'input': element 1 is empty."},
		{"an empty list", `{"input":[]}`, llm.CodeInvalid, "input", "Invalid 'input': expected an array of 1 to 2048 elements, got 0."},
		{"too many", many(2049), llm.CodeInvalid, "input", "Invalid 'input': expected an array of 1 to 2048 elements, got 2049."},
		{"tokens", `{"input":[1,2]}`, llm.CodeUnsupported, "input", "'input' must be text: this model does not take tokens."},
		{"lists of tokens", `{"input":[[1,2],[3]]}`, llm.CodeUnsupported, "input", "'input' must be text: this model does not take tokens."},
		{"a number", `{"input":5}`, llm.CodeInvalid, "input", wrong},
		{"an object", `{"input":{}}`, llm.CodeInvalid, "input", wrong},
		{"null in a list", `{"input":["a",null]}`, llm.CodeInvalid, "input", wrong},
		{"objects in a list", `{"input":[{"text":"a"}]}`, llm.CodeInvalid, "input", wrong},
		{"another format", `{"input":"a","encoding_format":"int8"}`, llm.CodeInvalid, "encoding_format", "Invalid value: 'int8'. Supported values are: 'float' and 'base64'."},
		{"an empty format", `{"input":"a","encoding_format":""}`, llm.CodeInvalid, "encoding_format", "Invalid value: ''. Supported values are: 'float' and 'base64'."},
		{"no dimensions", `{"input":"a","dimensions":0}`, llm.CodeInvalid, "dimensions", "0 is less than the minimum of 1 - 'dimensions'"},
		{"dimensions of another type", `{"input":"a","dimensions":"3"}`, llm.CodeInvalid, "dimensions", "Invalid type for 'dimensions': got a string instead."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Server{}.DecodeEmbed("embeddings", []byte(tt.body))
			e, ok := errors.AsType[*llm.Error](err)
			if !ok || e.Code != tt.code || e.Param != tt.param || e.Message != tt.want {
				t.Errorf("got %#v, want %s %s: %s", err, tt.code, tt.param, tt.want)
			}
		})
	}
	_, err := Server{}.DecodeEmbed("chat/completions", []byte(`{"input":"a"}`))
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeNotFound {
		t.Errorf("another operation: got %v, want not found", err)
	}
}

func TestEmbeddingsAreWritten(t *testing.T) {
	answer := llm.Embeddings{Model: "upstream", Vectors: [][]float64{{0.5, -1}, {1e-9, 3}}, Usage: &llm.Usage{Input: 7}}
	tests := []struct{ name, format, want string }{
		{"as numbers", `null`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]},{"object":"embedding","index":1,"embedding":[1e-9,3]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}`},
		{"in base64", `"base64"`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="},{"object":"embedding","index":1,"embedding":"X3CJMAAAQEA="}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := Server{}.DecodeEmbed("embeddings", []byte(`{"model":"m","input":["a","b"],"encoding_format":`+tt.format+`}`))
			if err != nil {
				t.Fatal(err)
			}
			got, err := call.Encode(&answer)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
			again, err := Client{}.Embeddings("embeddings", got)
			if err != nil || again.Model != "m" || again.Usage.Input != 7 || !near(again.Vectors, answer.Vectors) {
				t.Errorf("read again: got %+v, %v want %v", again, err, answer.Vectors)
			}
		})
	}
}

// near compares vectors to the precision of 32 bits.
func near(a, b [][]float64) bool {
	return slices.EqualFunc(a, b, func(a, b []float64) bool {
		return slices.EqualFunc(a, b, func(a, b float64) bool { return float32(a) == float32(b) })
	})
}

func TestEmbeddingsWithoutUsageHaveZeros(t *testing.T) {
	call, err := Server{}.DecodeEmbed("embeddings", []byte(`{"model":"m","input":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := call.Encode(&llm.Embeddings{Vectors: [][]float64{{1}}})
	want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":0,"total_tokens":0}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v want %s", got, err, want)
	}
}

func TestEmbeddingsAreRead(t *testing.T) {
	tests := []struct {
		name, body string
		want       [][]float64
		input      int // -1: no usage
	}{
		{"numbers", `{"data":[{"index":0,"embedding":[1,2e-3]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`, [][]float64{{1, 2e-3}}, 3},
		{"base64", `{"data":[{"index":0,"embedding":"AAAAPwAAgL8="}]}`, [][]float64{{0.5, -1}}, -1},
		{"in another order", `{"data":[{"index":1,"embedding":[1]},{"index":0,"embedding":[2]}]}`, [][]float64{{2}, {1}}, -1},
		{"without indices", `{"data":[{"embedding":[1]},{"embedding":[2]}]}`, [][]float64{{1}, {2}}, -1},
		{"with one index for all", `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}`, [][]float64{{1}, {2}}, -1},
		{"with indices out of range", `{"data":[{"index":-1,"embedding":[1]},{"index":9,"embedding":[2]}]}`, [][]float64{{1}, {2}}, -1},
		{"with the total only", `{"data":[{"embedding":[1]}],"usage":{"total_tokens":5}}`, [][]float64{{1}}, 5},
		{"with an error that is none", `{"error":null,"data":[{"embedding":[1]}]}`, [][]float64{{1}}, -1},
		{"after white space", "\n \n{\"data\":[{\"embedding\":[1]}]}", [][]float64{{1}}, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Client{}.Embeddings("embeddings", []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Vectors, tt.want) {
				t.Errorf("got %v, want %v", got.Vectors, tt.want)
			}
			if (got.Usage == nil) != (tt.input < 0) || got.Usage != nil && got.Usage.Input != tt.input {
				t.Errorf("got the usage %+v, want %d", got.Usage, tt.input)
			}
			whole, err := Client{}.Whole("embeddings", []byte(tt.body))
			if err != nil || !reflect.DeepEqual(whole.Finish.Usage, got.Usage) {
				t.Errorf("as a whole: got %+v, %v want the same usage", whole, err)
			}
		})
	}
}

func TestWhatIsNoEmbeddingIsAnError(t *testing.T) {
	const unreadable = "the upstream's answer could not be read"
	tests := []struct {
		name, body, want string
		code             llm.Code
	}{
		{"an error", `{"error":{"message":"no","code":400}}`, "no", llm.CodeInvalid},
		{"an error of old servers", `{"object":"error","message":"no","code":400}`, "no", llm.CodeInvalid},
		{"no JSON", `<html>`, unreadable, llm.CodeUpstream},
		{"an empty embedding", `{"data":[{"embedding":[]}]}`, unreadable, llm.CodeUpstream},
		{"a missing embedding", `{"data":[{"index":0}]}`, unreadable, llm.CodeUpstream},
		{"words for numbers", `{"data":[{"embedding":["a"]}]}`, unreadable, llm.CodeUpstream},
		{"an overlong number", `{"data":[{"embedding":[1e400]}]}`, unreadable, llm.CodeUpstream},
		{"bad base64", `{"data":[{"embedding":"?"}]}`, unreadable, llm.CodeUpstream},
		{"base64 of half a number", `{"data":[{"embedding":"AAA="}]}`, unreadable, llm.CodeUpstream},
		{"base64 of what is no number", `{"data":[{"embedding":"AADAfw=="}]}`, unreadable, llm.CodeUpstream},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Client{}.Embeddings("embeddings", []byte(tt.body))
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != tt.code || e.Message != tt.want {
				t.Errorf("got %#v, want %s: %s", err, tt.code, tt.want)
			}
		})
	}
}

func TestEncodeEmbed(t *testing.T) {
	tests := []struct {
		name    string
		in      llm.EmbedRequest
		want    string
		dropped string
	}{
		{"a text", llm.EmbedRequest{Model: "m", Input: []string{"<a>"}}, `{"model":"m","input":["<a>"],"encoding_format":"float"}`, "[]"},
		{"all", llm.EmbedRequest{Model: "m", Input: []string{"a", "b"}, Dimensions: 2, User: "u", Extra: map[string]json.RawMessage{"keep_alive": json.RawMessage("5")}},
			`{"model":"m","input":["a","b"],"encoding_format":"float","dimensions":2,"user":"u"}`, "[{dropped keep_alive false false}]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Client{UserField: "safety_identifier"}.EncodeEmbed(&tt.in)
			if err != nil || got.Operation != "embeddings" || string(got.Body) != tt.want {
				t.Fatalf("got %+v, %v\nwant %s", got, err, tt.want)
			}
			if dropped := fmt.Sprint(got.Warnings); dropped != tt.dropped {
				t.Errorf("got the warnings %s, want %s", dropped, tt.dropped)
			}
		})
	}
	_, err := Client{}.EncodeEmbed(&llm.EmbedRequest{Extra: map[string]json.RawMessage{"n": json.RawMessage("2")}})
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeUnsupported {
		t.Errorf("what must not be dropped: got %v, want unsupported", err)
	}
	packed, err := Client{PackedVectors: true}.EncodeEmbed(&llm.EmbedRequest{Model: "m", Input: []string{"a"}})
	if want := `{"model":"m","input":["a"],"encoding_format":"base64"}`; err != nil || string(packed.Body) != want {
		t.Errorf("in base64: got %+v, %v want %s", packed, err, want)
	}
}

func FuzzDecodeEmbed(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","input":"a"}`, `{"input":["a","b"],"encoding_format":"base64","dimensions":2}`,
		`{"input":[[1],[2]]}`, `{"input":[null]}`, `{"input":"\ud83c","user":"u","x":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		call, err := Server{}.DecodeEmbed("embeddings", body)
		if err != nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Message == "" {
				t.Fatalf("got %v, want an *llm.Error with a message", err)
			}
			return
		}
		vectors := make([][]float64, len(call.Request.Input))
		for i := range vectors {
			vectors[i] = []float64{float64(i)}
		}
		answer, err := call.Encode(&llm.Embeddings{Vectors: vectors})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := (Client{}).Embeddings("embeddings", answer); err != nil || !reflect.DeepEqual(again.Vectors, vectors) {
			t.Fatalf("%s reads as %+v, %v", answer, again, err)
		}
		encoded, err := Client{}.EncodeEmbed(call.Request)
		if err == nil && rawjson.Check(encoded.Body) != nil {
			t.Fatalf("encoded %s", encoded.Body)
		}
	})
}

func FuzzEmbeddings(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"index":1,"embedding":[1,2]},{"index":0,"embedding":"AAAAPw=="}],"usage":{"prompt_tokens":1}}`,
		`{"data":[{"embedding":null}]}`, `{"error":"x"}`, `{"data":[null]}`, `{"data":[{"embedding":"AADAfw=="}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := Client{}.Embeddings("embeddings", body)
		if err != nil {
			if _, ok := errors.AsType[*llm.Error](err); !ok {
				t.Fatalf("got %v, want an *llm.Error", err)
			}
			return
		}
		if _, err := json.Marshal(e); err != nil { // such as for a number that is not finite
			t.Fatalf("%+v cannot travel: %v", e, err)
		}
	})
}
