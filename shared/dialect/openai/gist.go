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
	var u usage
	if json.Unmarshal(counts, &u) != nil {
		return llm.Finish{}, false
	}
	end.Usage = u.canonical()
	return end, true
}

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
			switch value := string(f.Value); {
			case f.Key == "message":
				message = f.Value
			case f.Key == "finish_reason" && (value == `"stop"` || value == `"length"`):
				reason = value[1 : len(value)-1]
			case f.Key == "finish_reason", f.Key == "error" && value != "null", f.Key == "index" && value != "0":
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
