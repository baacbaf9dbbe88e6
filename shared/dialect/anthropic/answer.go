package anthropic

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// Whole writes an answer that is not streamed.
func (e *encoder) Whole(r *llm.Response) ([]byte, error) {
	out := e.answer(r.ID)
	for _, b := range r.Content {
		if t, ok := b.(llm.Thinking); ok && t.Signature == "" {
			seen := sha256.New()
			seen.Write([]byte(t.Text))
			t.Signature = signatureOf(seen)
			b = t
		}
		wire, ok := writeBlock(b)
		if !ok {
			continue
		}
		text, err := rawjson.Marshal(wire)
		if err != nil {
			return nil, fmt.Errorf("write block: %w", err)
		}
		out.Content = append(out.Content, text)
	}
	end := endingOf(r.Finish)
	out.StopReason, out.StopSequence = end.StopReason, end.StopSequence
	var known llm.Usage
	if r.Finish.Usage != nil {
		known = *r.Finish.Usage
	}
	out.Usage = writeUsage(known)
	return rawjson.Marshal(out)
}

// Whole reads an answer that is not streamed.
func (Client) Whole(_ string, body []byte) (*llm.Response, error) {
	var in struct {
		answer
		Error json.RawMessage `json:"error"`
	}
	err := json.Unmarshal(body, &in)
	switch {
	case in.Type == "error" || in.Content == nil && !rawjson.IsNull(in.Error):
		return nil, failure(0, body)
	case err != nil:
		return nil, dialect.Unreadable(err)
	case in.Content == nil:
		return nil, dialect.Unreadable(fmt.Errorf("no content in %.200s", body))
	}
	out := &llm.Response{ID: in.ID, Model: in.Model}
	calls := false
	for i, raw := range in.Content {
		block, err := answerBlock(fmt.Sprintf("content.%d", i), raw)
		if err != nil {
			return nil, dialect.Unreadable(err)
		}
		if _, ok := block.(llm.ToolCall); ok {
			calls = true
		}
		out.Content = append(out.Content, block)
	}
	end := ending{StopReason: in.StopReason, StopSequence: in.StopSequence}
	out.Finish = end.finish(calls, in.Usage.read())
	return out, nil
}

// answerBlock reads a block of an answer.
func answerBlock(path string, raw json.RawMessage) (llm.Block, error) {
	var r reader
	block := r.block(path, raw)
	if call, ok := block.(llm.ToolCall); ok && call.Name == "" {
		return nil, errors.New("the upstream called a tool without a name")
	}
	return block, r.err
}
