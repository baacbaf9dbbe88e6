package providertest

// A transcript is what the suite knows of one kind of provider: how calls look
// on the wire, and answers to them. The answers say the same in every dialect.
type transcript struct {
	operation string // of a chat
	path      string // where the upstream must see it
	models    string // where it must see the question for models
	keyHeader string // what carries the key
	keyPrefix string

	request    string // for the model "asked", streamed or not as the answer is
	media      string // of a streamed answer
	stream     []string
	opening    int // frames of stream in which there is no content yet
	whole      string
	refusal    string   // an error body; %s is the message
	broken     string   // a frame that reports a failure
	list       string   // of the models "one" and "two"
	recordings []string // folders of recorded exchanges
}

// The canonical answer of all transcripts.
const (
	saidText   = "Hé, <world> & all."
	usedInput  = 11
	usedOutput = 4
)

// transcripts are all there are, by kind. A kind without one fails the suite.
var transcripts = map[string]transcript{
	"openai": {
		operation: "chat/completions", path: "/v1/chat/completions", models: "/v1/models",
		keyHeader: "Authorization", keyPrefix: "Bearer ",
		request: `{ "messages":[{"role":"user","content":"Hi <b>"}], "model" : "asked","x_unknown":[1.0, 2e400],"stream":true}`,
		media:   "text/event-stream",
		stream: []string{
			": a comment\n\n",
			`data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m1","x":1.0,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n",
			`data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m1","choices":[{"index":0,"delta":{"content":"Hé, <world>"},"finish_reason":null}]}` + "\r\n\r\n",
			`data:{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m1","choices":[{"index":0,"delta":{"content":" & all."},"finish_reason":null}]}` + "\n\n",
			`data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n",
			`data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":4,"total_tokens":15}}` + "\n\n",
			"data: [DONE]\n\n",
		},
		opening: 2,
		whole: ` {"id":"c1","object":"chat.completion","created":7,"model":"m1","x_unknown":1.0,
 "choices":[{"index":0,"message":{"role":"assistant","content":"Hé, <world> & all."},"finish_reason":"stop"}],
 "usage":{"prompt_tokens":11,"completion_tokens":4,"total_tokens":15}}` + "\n",
		refusal:    `{"error":{"message":"%s","type":"some_error","param":null,"code":null}}`,
		broken:     `data: {"error":{"message":"it broke","type":"server_error","param":null,"code":null}}` + "\n\n",
		list:       `{"object":"list","data":[{"id":"one","object":"model","created":7,"owned_by":"us"},{"id":"two","object":"model"}]}`,
		recordings: []string{"openai-chat"},
	},
	"anthropic": {
		operation: "messages", path: "/v1/messages", models: "/v1/models",
		keyHeader: "X-Api-Key",
		request:   `{ "max_tokens":50, "messages":[{"role":"user","content":"Hi <b>"}], "model" : "asked","x_unknown":[1.0, 2e400],"stream":true}`,
		media:     "text/event-stream",
		stream: []string{
			"event: message_start\n" + `data: {"type":"message_start","message":{"id":"c1","type":"message","role":"assistant","model":"m1","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":11,"output_tokens":1}}}` + "\n\n",
			"event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""},"x":1.0}` + "\n\n",
			"event: ping\n" + `data: {"type": "ping"}` + "\n\n",
			"event: content_block_delta\r\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hé, <world>"}}` + "\r\n\r\n",
			"event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" & all."}}` + "\n\n",
			"event: content_block_stop\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n",
			"event: message_delta\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":4}}` + "\n\n",
			"event: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n",
		},
		opening: 1,
		whole: ` {"id":"c1","type":"message","role":"assistant","model":"m1","x_unknown":1.0,
 "content":[{"type":"text","text":"Hé, <world> & all."}],"stop_reason":"end_turn","stop_sequence":null,
 "usage":{"input_tokens":11,"output_tokens":4}}` + "\n",
		refusal:    `{"type":"error","error":{"type":"some_error","message":"%s"}}`,
		broken:     "event: error\n" + `data: {"type":"error","error":{"type":"api_error","message":"it broke"}}` + "\n\n",
		list:       `{"data":[{"type":"model","id":"one","display_name":"One"},{"type":"model","id":"two","display_name":"Two"}],"has_more":false,"last_id":"two"}`,
		recordings: []string{"anthropic-messages"},
	},
	"ollama": {
		operation: "chat", path: "/api/chat", models: "/api/tags",
		keyHeader: "Authorization", keyPrefix: "Bearer ",
		request: `{ "messages":[{"role":"user","content":"Hi <b>"}], "model" : "asked","x_unknown":[1.0, 2e400],"stream":true}`,
		media:   "application/x-ndjson",
		stream: []string{
			`{"model":"m1","created_at":"2026-01-02T03:04:05Z","x":1.0,"message":{"role":"assistant","content":"Hé, <world>"},"done":false}` + "\n",
			"\n",
			`{"model":"m1","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":" & all."},"done":false}` + "\r\n",
			`{"model":"m1","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":11,"eval_count":4}` + "\n",
		},
		whole:      ` {"model":"m1","created_at":"2026-01-02T03:04:05Z","x":1.0,"message":{"role":"assistant","content":"Hé, <world> & all."},"done":true,"done_reason":"stop","prompt_eval_count":11,"eval_count":4}`,
		refusal:    `{"error":"%s"}`,
		broken:     `{"error":"it broke"}` + "\n",
		list:       `{"models":[{"name":"one","model":"one","size":1},{"name":"two","model":"two","size":1}]}`,
		recordings: []string{"ollama-chat", "ollama-generate"},
	},
}

// operationOf is the operation of the calls in a folder of recordings.
var operationOf = map[string]string{
	"openai-chat": "chat/completions", "anthropic-messages": "messages",
	"ollama-chat": "chat", "ollama-generate": "generate",
}
