package openai

import (
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Gist returns how a whole answer ends, and what it has cost, without reading
// what it says. It reports false for any that is not plain, such as errors and
// calls of tools: these have to be read by [Client.Whole].
func (Client) Gist(operation string, body []byte) (llm.Finish, bool) {
	if operation != chatCompletions || rawjson.Check(body) != nil {
		return llm.Finish{}, false
	}
	var choices, counts json.RawMessage
	for f := range rawjson.Fields(body) {
		switch f.Key {
		case "choices":
			if choices != nil {
				return llm.Finish{}, false
			}
			choices = f.Value
		case "usage":
			counts = f.Value
		case "error":
			if !rawjson.IsNull(f.Value) {
				return llm.Finish{}, false
			}
		}
	}
	reason, ok := plainEnd(choices)
	if !ok {
		return llm.Finish{}, false
	}
	end := llm.Finish{Reason: reasons[reason], Raw: reason}
	if rawjson.IsNull(counts) {
		return end, true
	}
	end.Usage, ok = readUsage(counts)
	return end, ok
}

// plainReasons are the ends of answers that call nothing, as they are spelled.
var plainReasons = map[string]string{`"stop"`: "stop", `"length"`: "length"}

// plainEnd returns the finish reason of an answer with one choice, which is
// complete and a message without calls.
func plainEnd(choices json.RawMessage) (reason string, ok bool) {
	if len(choices) == 0 || choices[0] != '[' {
		return "", false
	}
	n := 0
	var message json.RawMessage
	for c := range rawjson.Elements(choices) {
		if n++; n > 1 || c[0] != '{' {
			return "", false
		}
		for f := range rawjson.Fields(c) {
			ok = true
			switch f.Key {
			case "message":
				message = f.Value
			case "finish_reason":
				reason, ok = plainReasons[string(f.Value)]
			case "error":
				ok = string(f.Value) == "null"
			case "index":
				ok = string(f.Value) == "0"
			}
			if !ok {
				return "", false
			}
		}
	}
	return reason, reason != "" && isPlain(message)
}

// isPlain reports whether a message calls no tools.
func isPlain(message json.RawMessage) bool {
	if len(message) == 0 || message[0] != '{' {
		return false
	}
	for f := range rawjson.Fields(message) {
		if (f.Key == "tool_calls" || f.Key == "function_call") && !rawjson.IsNull(f.Value) && string(f.Value) != "[]" {
			return false
		}
	}
	return true
}
