package dialect_test

import (
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	chatCites      = `{"type":"url_citation","url_citation":{"start_index":1,"end_index":4,"title":"t","url":"https://x.example"}}`
	chatCitesAll   = `{"type":"url_citation","url_citation":{"start_index":0,"end_index":5,"title":"t","url":"https://x.example"}}`
	responsesCites = `{"type":"url_citation","start_index":1,"end_index":4,"title":"t","url":"https://x.example"}`
	responsesAll   = `{"type":"url_citation","start_index":0,"end_index":5,"title":"t","url":"https://x.example"}`
	claudeCites    = `{"type":"web_search_result_location","url":"https://x.example","title":"t","encrypted_index":"e","cited_text":"c"}`
	claudeDocument = `{"type":"char_location","cited_text":"c","document_index":0,"document_title":"t","start_char_index":0,"end_char_index":1}`
)

// answersThatCite say "Ünter" and cite what their dialect has a word for.
var answersThatCite = map[string]struct{ whole, streamed string }{
	"openai": {
		`{"id":"1","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Ünter","annotations":[` + chatCites + `]},"finish_reason":"stop"}]}`,
		`data: {"id":"1","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Ünter"}}]}` + "\n\n" +
			`data: {"id":"1","created":1,"model":"m","choices":[{"index":0,"delta":{"annotations":[` + chatCites + `]},"finish_reason":"stop"}]}` + "\n\n" + "data: [DONE]\n\n",
	},
	"responses": {
		`{"id":"1","created_at":1,"model":"m","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Ünter","annotations":[` + responsesCites + `]}]}]}`,
		`data: {"type":"response.created","response":{"id":"1","created_at":1,"model":"m"}}` + "\n\n" +
			`data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Ünter"}` + "\n\n" +
			`data: {"type":"response.output_text.annotation.added","output_index":0,"content_index":0,"annotation_index":0,"annotation":` + responsesCites + `}` + "\n\n" +
			`data: {"type":"response.completed","response":{"id":"1","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Ünter","annotations":[` + responsesCites + `]}]}]}}` + "\n\n",
	},
	"anthropic": {
		`{"id":"1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Ünter","citations":[` + claudeCites + `,` + claudeDocument + `]}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`,
		`data: {"type":"message_start","message":{"id":"1","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}` + "\n\n" +
			`data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"","citations":[]}}` + "\n\n" +
			`data: {"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":` + claudeCites + `}}` + "\n\n" +
			`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Ünter"}}` + "\n\n" +
			`data: {"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":` + claudeDocument + `}}` + "\n\n" +
			`data: {"type":"content_block_stop","index":0}` + "\n\n" +
			`data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n",
	},
}

// Pages of the web are cited in each dialect that has a word for them without
// more than their address; all else stays with its own.
func TestCitationsGoWhereTheyCanBeSaid(t *testing.T) {
	wants := map[string]map[string]string{
		"openai":    {"openai": chatCites, "responses": responsesCites},
		"responses": {"openai": chatCites, "responses": responsesCites},
		"anthropic": {"openai": chatCitesAll, "responses": responsesAll, "anthropic": claudeCites},
	}
	for _, from := range suites() {
		said, ok := answersThatCite[from.Client.Name()]
		if !ok {
			continue // it has no citations
		}
		whole, err := from.Client.Whole(from.Operation, []byte(said.whole))
		if err != nil {
			t.Fatal(err)
		}
		streamed, err := llm.Collect(dialect.Events(frame.SSE(strings.NewReader(said.streamed)), from.Client.Decoder(from.Operation)))
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range suites() {
			want := wants[from.Client.Name()][to.Server.Name()]
			for way, answer := range map[string]*llm.Response{"whole": whole, "streamed": streamed} {
				got := map[string]string{"whole": wholeOf(t, to, answer), "streamed": streamOf(t, to, answer)}
				for form, text := range got {
					if !strings.Contains(text, "Ünter") || !strings.Contains(text, want) || want == "" && strings.Contains(text, "x.example") {
						t.Errorf("%s, %s, to %s, %s: got\n%s\nwant %q in it", from.Client.Name(), way, to.Server.Name(), form, text, want)
					}
				}
			}
		}
	}
}

func encoderOf(t *testing.T, s dialecttest.Suite) dialect.Encoder {
	t.Helper()
	call, err := s.Server.Decode(s.Operation, []byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"input":"Hi"}`))
	if err != nil {
		t.Fatal(err)
	}
	return call.Encoder
}

func wholeOf(t *testing.T, s dialecttest.Suite, r *llm.Response) string {
	t.Helper()
	body, err := encoderOf(t, s).Whole(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func streamOf(t *testing.T, s dialecttest.Suite, r *llm.Response) (out string) {
	t.Helper()
	encoder := encoderOf(t, s)
	for e, err := range r.Events() {
		var piece []byte
		if err == nil {
			piece, err = encoder.Event(nil, e)
		}
		if err != nil {
			t.Fatal(err)
		}
		out += string(piece)
	}
	return out
}
