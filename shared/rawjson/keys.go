package rawjson

import "encoding/json"

// common are the keys of small calls and their answers. Each is kept as it is
// spelled, with its quotes, so that it is found without a text of its own.
var common = spelled(
	// calls
	"model", "messages", "role", "content", "name", "type", "text", "system", "stream", "stream_options",
	"include_usage", "temperature", "top_p", "top_k", "n", "stop", "stop_sequences", "seed", "user", "metadata",
	"max_tokens", "max_completion_tokens", "max_output_tokens", "service_tier", "reasoning_effort", "store",
	"response_format", "tools", "tool_choice", "input", "instructions", "prompt", "options", "num_predict",
	"num_ctx", "keep_alive", "think", "format", "images", "thinking", "cache_control", "image_url", "url",

	// answers
	"id", "object", "created", "created_at", "choices", "index", "message", "delta", "finish_reason", "logprobs",
	"refusal", "annotations", "audio", "tool_calls", "function_call", "tool_call_id", "function", "arguments",
	"reasoning", "reasoning_content", "error", "system_fingerprint", "stop_reason", "stop_sequence", "citations",
	"done", "done_reason", "response", "total_duration", "load_duration", "prompt_eval_count",
	"prompt_eval_duration", "eval_count", "eval_duration",

	// their usage
	"usage", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details",
	"completion_tokens_details", "cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens",
	"accepted_prediction_tokens", "rejected_prediction_tokens", "prompt_cache_hit_tokens", "input_tokens",
	"output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
)

func spelled(keys ...string) map[string]string {
	all := make(map[string]string, len(keys))
	for _, key := range keys {
		all[`"`+key+`"`] = key
	}
	return all
}

// key returns what the text of a key says.
func key(value []byte) (string, bool) {
	if said, ok := common[string(value)]; ok {
		return said, true
	}
	if TextLen(value) == len(value) {
		if said, ok := Text(value); ok {
			return said, true
		}
	}
	var said string
	err := json.Unmarshal(value, &said)
	return said, err == nil
}
