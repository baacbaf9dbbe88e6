package responses

import (
	"fmt"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// decodeCount reads a request whose tokens are to be counted. The reply is an
// estimate. Unlike in a call, the input may be absent.
func decodeCount(body []byte) (*dialect.Call, error) {
	given := false
	for f := range rawjson.Fields(body) {
		given = given || f.Key == "input" && !rawjson.IsNull(f.Value)
	}
	if !given {
		body = rawjson.Set(body, "input", []byte(`""`))
	}
	call, err := decode(body)
	if err != nil {
		return nil, err
	}
	call.Reply = fmt.Appendf(nil, `{"object":"response.input_tokens","input_tokens":%d}`, dialect.Estimate(call.Request))
	return call, nil
}

// NotFound is the error for an answer that is asked for by its id: none is
// kept.
func NotFound(id string) *llm.Error {
	message := fmt.Sprintf("Response with id '%s' not found.", dialect.Clip(id))
	var out errorBody
	out.Error.Message, out.Error.Type, out.Error.Code = message, "invalid_request_error", new("response_not_found")
	return &llm.Error{Code: llm.CodeNotFound, Message: message, Status: 404, Body: must(out)}
}
