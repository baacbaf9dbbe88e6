package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// embed is the upstream's call for embeddings, in the words of OpenAI and of
// Ollama. The vector of a text is its length and 1. In the history its calls
// have names of their own.
func (u *upstream) embed(rw http.ResponseWriter, r *http.Request) {
	var body struct {
		Model  string
		Input  json.RawMessage
		Prompt string
		Format string `json:"encoding_format"`
	}
	data, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(data, &body) != nil {
		http.Error(rw, `{"error":"bad request"}`, http.StatusBadRequest)
		return
	}
	body.Model = strings.TrimSuffix(body.Model, ":latest")
	u.mu.Lock()
	u.calls = append(u.calls, &upstreamCall{model: "embed " + body.Model, body: data})
	u.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	switch body.Model {
	case "fail-400":
		rw.WriteHeader(http.StatusBadRequest)
		io.WriteString(rw, `{"error":{"message":"no way","type":"invalid_request_error","param":null,"code":null}}`)
		return
	}
	texts := []string{body.Prompt}
	if len(body.Input) > 0 && json.Unmarshal(body.Input, &texts) != nil && json.Unmarshal(body.Input, &texts[0]) != nil {
		texts = []string{"tokens"}
	}
	switch r.URL.Path {
	case "/v1/embeddings":
		io.WriteString(rw, openaiEmbeddings(texts, body.Format))
	case "/api/embed":
		io.WriteString(rw, ollamaEmbeddings(texts))
	default:
		fmt.Fprintf(rw, `{"embedding":[%d,1]}`, len(texts[0]))
	}
}

// openaiEmbeddings lists the last one first, for the index is what counts.
func openaiEmbeddings(texts []string, format string) string {
	var rows []string
	for i, text := range texts {
		vector := fmt.Sprintf("[%d,1]", len(text))
		if format == "base64" {
			vector = quoted(base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint32(
				binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(len(text)))), math.Float32bits(1))))
		}
		rows = append(rows, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":%s}`, i, vector))
	}
	slices.Reverse(rows)
	return `{"object":"list","data":[` + strings.Join(rows, ",") + `],"model":"up","usage":{"prompt_tokens":7,"total_tokens":7}}`
}

func ollamaEmbeddings(texts []string) string {
	var rows []string
	for _, text := range texts {
		n := float64(len(text))
		rows = append(rows, fmt.Sprintf("[%v,%v]", n/math.Hypot(n, 1), 1/math.Hypot(n, 1)))
	}
	return `{"model":"up","embeddings":[` + strings.Join(rows, ",") + `],"total_duration":9,"load_duration":1,"prompt_eval_count":7}`
}

// slope is what all upstreams agree on: the length of the text.
func slope(v []float64) float64 {
	if len(v) != 2 {
		return math.NaN()
	}
	return v[0] / v[1]
}

func TestOpenAIClientEmbeds(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		client := openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
		texts := []string{"one", "three", "Grüße, 世界!"}
		for _, provider := range []string{"openai", "ollama"} {
			got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
				Model: provider + "/echo", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts}, User: openai.String("u"),
			})
			if err != nil || len(got.Data) != len(texts) || got.Usage.PromptTokens != 7 || got.Usage.TotalTokens != 7 || got.Object != "list" {
				t.Fatalf("%s: got %+v, %v", provider, got, err)
			}
			for _, d := range got.Data {
				if want := float64(len(texts[d.Index])); math.Abs(slope(d.Embedding)-want) > 1e-6 {
					t.Errorf("%s: the vector of %q is %v", provider, texts[d.Index], d.Embedding)
				}
			}
			one, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
				Model: provider + "/echo", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("hi")}, Dimensions: openai.Int(2),
				EncodingFormat: openai.EmbeddingNewParamsEncodingFormatFloat,
			})
			if err != nil || len(one.Data) != 1 || math.Abs(slope(one.Data[0].Embedding)-2) > 1e-6 {
				t.Errorf("%s: got %+v, %v want one vector", provider, one, err)
			}
			if v := packedEmbedding(t, s, provider+"/echo", "four"); math.Abs(slope(v)-4) > 1e-5 {
				t.Errorf("%s: in base64 got %v", provider, v)
			}
			_, err = client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
				Model: provider + "/fail-400", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("x")},
			})
			if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || e.Message != "no way" {
				t.Errorf("%s: got %v, want the upstream's refusal", provider, err)
			}
		}
		tokens := openai.EmbeddingNewParams{Model: "openai/echo", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfTokens: []int64{1, 2}}}
		if got, err := client.Embeddings.New(t.Context(), tokens); err != nil || len(got.Data) != 1 {
			t.Errorf("tokens to their own dialect: got %+v, %v", got, err)
		}
		tokens.Model = "ollama/echo"
		if _, err := client.Embeddings.New(t.Context(), tokens); !refusedWith(err, "'input' must be text: this model does not take tokens.") {
			t.Errorf("tokens to another dialect: got %v, want that they are not supported", err)
		}
		tokens.Model, tokens.Input = "anthropic/echo", openai.EmbeddingNewParamsInputUnion{OfString: openai.String("x")}
		if _, err := client.Embeddings.New(t.Context(), tokens); !refusedWith(err, "model 'echo' does not support embeddings") {
			t.Errorf("anthropic: got %v, want that there are none", err)
		}
		if calls := u.called("embed echo"); len(calls) != 7 {
			t.Errorf("the upstream was called %d times, want 7", len(calls))
		}
	})
}

func refusedWith(err error, message string) bool {
	e, ok := errors.AsType[*openai.Error](err)
	return ok && e.StatusCode == 400 && e.Code == "unsupported_parameter" && e.Param != "" && e.Message == message
}

// packedEmbedding asks as OpenAI's other clients do where their user does not
// say how.
func packedEmbedding(t *testing.T, s *stack, model, text string) []float64 {
	t.Helper()
	var answer struct {
		Data []struct{ Embedding []byte }
	}
	post(t, s, "/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":%q,"encoding_format":"base64"}`, model, text), &answer)
	if len(answer.Data) != 1 {
		t.Fatalf("%s: got %d vectors", model, len(answer.Data))
	}
	numbers := make([]float32, len(answer.Data[0].Embedding)/4)
	if _, err := binary.Decode(answer.Data[0].Embedding, binary.LittleEndian, numbers); err != nil {
		t.Fatal(err)
	}
	var v []float64
	for _, x := range numbers {
		v = append(v, float64(x))
	}
	return v
}

// post calls, and reads an answer that must be there.
func post(t *testing.T, s *stack, path, body string, answer any) {
	t.Helper()
	response, err := http.Post(s.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode == http.StatusOK {
		err = json.Unmarshal(data, answer)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %.300s, %v", path, body, response.StatusCode, data, err)
	}
}

func TestOllamaUserEmbeds(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, _ *upstream) {
		type embedded struct {
			Model      string
			Embeddings [][]float64
			Embedding  []float64
			Total      int64 `json:"total_duration"`
			Load       int64 `json:"load_duration"`
			Count      int   `json:"prompt_eval_count"`
		}
		for _, provider := range []string{"openai", "ollama"} {
			var got, one, older, cut embedded
			post(t, s, "/api/embed", fmt.Sprintf(`{"model":"%s/echo","input":["one","three"],"options":{"num_ctx":1},"keep_alive":"5m"}`, provider), &got)
			if len(got.Embeddings) != 2 || got.Count != 7 || got.Total == 0 || got.Load == 0 || got.Model == "" {
				t.Fatalf("%s: got %+v", provider, got)
			}
			for i, v := range got.Embeddings {
				if want := []float64{3, 5}[i]; math.Abs(slope(v)-want) > 1e-5 || math.Abs(math.Hypot(v[0], v[1])-1) > 1e-6 {
					t.Errorf("%s: vector %d is %v, want one of length 1", provider, i, v)
				}
			}
			post(t, s, "/api/embed", fmt.Sprintf(`{"model":"%s/echo","input":"four"}`, provider), &one)
			if len(one.Embeddings) != 1 || math.Abs(slope(one.Embeddings[0])-4) > 1e-5 {
				t.Errorf("%s: got %+v for one text", provider, one)
			}
			post(t, s, "/api/embeddings", fmt.Sprintf(`{"model":"%s/echo","prompt":"four"}`, provider), &older)
			if !slices.Equal(older.Embedding, []float64{4, 1}) {
				t.Errorf("%s: got %v, want it as the upstream made it", provider, older.Embedding)
			}
			if provider == "openai" {
				post(t, s, "/api/embed", `{"model":"openai/echo","input":"four","dimensions":1}`, &cut)
				if len(cut.Embeddings) != 1 || !slices.Equal(cut.Embeddings[0], []float64{1}) {
					t.Errorf("cut: got %v, want one number", cut.Embeddings)
				}
			}
		}
		for body, want := range map[string]string{
			`{"model":"anthropic/echo","input":"x"}`: `400 {"error":"model 'echo' does not support embeddings"}`,
			`{"model":"nowhere","input":"x"}`:        `404 {"error":"model \"nowhere\" not found, try pulling it first"}`,
			`{"model":"openai/echo","input":[1]}`:    `400 {"error":"invalid input type"}`,
			`{"model":"openai/echo"}`:                `200 {"model":"openai/echo","embeddings":[]}`,
		} {
			response, err := http.Post(s.url+"/api/embed", "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(response.Body)
			response.Body.Close()
			if got := fmt.Sprintf("%d %s", response.StatusCode, data); err != nil || got != want {
				t.Errorf("%s: got %s, %v want %s", body, got, err, want)
			}
		}
	})
}

// The example of the README works without a key: similar texts are near.
func TestTheDemoEmbeds(t *testing.T) {
	t.Parallel()
	s := startServe(t, newUpstream(t).env()...)
	var answer struct {
		Data []struct{ Embedding []float64 }
	}
	post(t, s, "/v1/embeddings", `{"model":"demo","input":["Hello world","Hello, big world","Sales fell in March"]}`, &answer)
	if len(answer.Data) != 3 {
		t.Fatalf("got %+v, want three vectors", answer)
	}
	near := func(a, b int) (sum float64) {
		for i, x := range answer.Data[a].Embedding {
			sum += x * answer.Data[b].Embedding[i]
		}
		return sum
	}
	if near(0, 1) < near(0, 2) || math.Abs(near(0, 0)-1) > 1e-9 {
		t.Errorf("the cosines are %v, %v and %v", near(0, 0), near(0, 1), near(0, 2))
	}
}
