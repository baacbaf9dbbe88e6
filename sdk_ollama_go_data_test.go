package main

// An ollamaGoWish is how a wish reaches one kind of upstream.
type ollamaGoWish struct{ said, dropped, emulated string }

// ollamaGoWishes are exercises and what each upstream hears of them.
var ollamaGoWishes = []struct {
	exercise string
	to       map[string]ollamaGoWish
}{
	{"think", map[string]ollamaGoWish{
		"openai": {said: `"reasoning_effort":"medium"`}, "anthropic": {said: `"thinking":{"type":"enabled",`}, "ollama": {said: `"think":true`},
	}},
	{"think-not", map[string]ollamaGoWish{
		"openai": {said: `"reasoning_effort":"none"`}, "anthropic": {}, "ollama": {said: `"think":false`},
	}},
	{"think-high", map[string]ollamaGoWish{
		"openai": {said: `"reasoning_effort":"high"`}, "anthropic": {said: `"thinking":{"type":"enabled",`}, "ollama": {said: `"think":"high"`},
	}},
	{"image", imageWish},
	{"generate-image", imageWish},
	{"json", map[string]ollamaGoWish{
		"openai": {said: `"response_format":{"type":"json_object"}`}, "anthropic": {said: `one JSON object`, emulated: "format"}, "ollama": {said: `"format":"json"`},
	}},
	{"schema", map[string]ollamaGoWish{
		"openai":    {said: `"schema":` + ollamaGoSchema},
		"anthropic": {said: `"input_schema":` + ollamaGoSchema, emulated: "format"},
		"ollama":    {said: `"format":` + ollamaGoSchema},
	}},
	{"options", map[string]ollamaGoWish{
		"openai":    {said: `"temperature":0.5,"seed":7,"max_tokens":100,"stop":["END"]`, dropped: "keep_alive,options.num_ctx"},
		"anthropic": {said: `"stop_sequences":["END"],"temperature":0.5`, dropped: "options.seed,keep_alive,options.num_ctx"},
		"ollama":    {said: `"keep_alive":"1m0s","options":{"num_ctx":4096,"num_predict":100,"seed":7,"stop":["END"],"temperature":0.5}`},
	}},
	{"generate-options", map[string]ollamaGoWish{
		"openai":    {said: `{"role":"system","content":"Be brief."}`, dropped: "options.num_ctx"},
		"anthropic": {said: `"system":[{"type":"text","text":"Be brief."}]`, dropped: "options.seed,options.num_ctx"},
	}},
	{"logprobs", map[string]ollamaGoWish{
		"openai": {said: `"logprobs":true,"top_logprobs":2`}, "anthropic": {dropped: "logprobs"}, "ollama": {said: `"logprobs":true,"top_logprobs":2`},
	}},
}

const (
	ollamaGoSchema = `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`
	ollamaGoPixel  = `iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ`
)

var imageWish = map[string]ollamaGoWish{
	"openai":    {said: `{"url":"data:image/png;base64,` + ollamaGoPixel + `"}`},
	"anthropic": {said: `{"type":"base64","media_type":"image/png","data":"` + ollamaGoPixel + `"}`},
	"ollama":    {said: `"images":["` + ollamaGoPixel + `"]`},
}

// ollamaGoThoughts are answers of models that think first, whole and streamed.
var ollamaGoThoughts = map[string][2]string{
	"openai": {
		`{"id":"c","object":"chat.completion","created":1700000000,"model":"up","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"Let me see.","content":"42"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}`,
		`data: {"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"Let me "},"finish_reason":null}]}

data: {"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"up","choices":[{"index":0,"delta":{"reasoning_content":"see."},"finish_reason":null}]}

data: {"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"up","choices":[{"index":0,"delta":{"content":"42"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}

data: [DONE]

`,
	},
	"anthropic": {
		`{"id":"m","type":"message","role":"assistant","model":"up","content":[{"type":"thinking","thinking":"Let me see.","signature":"c2ln"},{"type":"text","text":"42"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":5}}`,
		`event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"up","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":7,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me see."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"42"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}}

event: message_stop
data: {"type":"message_stop"}

`,
	},
	"ollama": {
		`{"model":"up","created_at":"2024-01-01T00:00:00Z","message":{"role":"assistant","content":"42","thinking":"Let me see."},"done":true,"done_reason":"stop",` + ollamaMetrics + `}`,
		`{"model":"up","created_at":"2024-01-01T00:00:00Z","message":{"role":"assistant","content":"","thinking":"Let me "},"done":false}
{"model":"up","created_at":"2024-01-01T00:00:00Z","message":{"role":"assistant","content":"","thinking":"see."},"done":false}
{"model":"up","created_at":"2024-01-01T00:00:00Z","message":{"role":"assistant","content":"42"},"done":false}
{"model":"up","created_at":"2024-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",` + ollamaMetrics + `}
`,
	},
}
