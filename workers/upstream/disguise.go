package upstream

import (
	"bytes"

	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// disguised returns the error that stands where an event should: the JSON of a
// server that has said that it streams before it failed. No event looks so.
func (x *exchange) disguised(operation string, f frame.Frame) error {
	body := bytes.TrimSpace(f.Raw)
	if x.media != mediaSSE || f.Data != nil || rawjson.Check(body) != nil {
		return nil
	}
	if _, err := x.dialect.Whole(operation, body); err == nil {
		return nil
	}
	return x.dialect.Error(0, body)
}
