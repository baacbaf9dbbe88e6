package anthropic

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const pingFrame = "event: ping\ndata: {\"type\":\"ping\"}\n\n"

// ownSignature begins the signatures of thoughts that no Anthropic model had.
const ownSignature = "allama1."

// encoder writes the answer to one call.
type encoder struct {
	model string // as the client named it
	index int    // of the open block, or of the next one
	open  llm.Block
	seen  hash.Hash // the text of the open thought
	usage llm.Usage // as far as it is known
}

type messageStart struct {
	Type    string `json:"type"`
	Message answer `json:"message"`
}

type blockStart struct {
	Type  string `json:"type"`
	Index int    `json:"index"`
	Block any    `json:"content_block"`
}

type blockDelta struct {
	Type  string `json:"type"`
	Index int    `json:"index"`
	Delta delta  `json:"delta"`
}

type blockStop struct {
	Type  string `json:"type"`
	Index int    `json:"index"`
}

type messageDelta struct {
	Type  string `json:"type"`
	Delta ending `json:"delta"`
	Usage *usage `json:"usage"`
}

// Restart returns an encoder in its first state.
func (e *encoder) Restart() dialect.Encoder { return &encoder{model: e.model} }

// Event appends the frames of an event.
func (e *encoder) Event(dst []byte, event llm.Event) ([]byte, error) {
	switch event := event.(type) {
	case llm.Start:
		return e.start(dst, event)
	case llm.BlockStart:
		return e.blockStart(dst, event.Block)
	case llm.Delta:
		return e.delta(dst, event)
	case llm.BlockEnd:
		return e.blockEnd(dst, event)
	case llm.Finish:
		return e.finish(dst, event)
	default:
		return dst, fmt.Errorf("write event: unknown kind %T", event)
	}
}

func (e *encoder) start(dst []byte, s llm.Start) ([]byte, error) {
	e.usage = llm.Usage{Output: 1} // as the API counts before it knows better
	if s.Usage != nil {
		e.usage = *s.Usage
	}
	message := e.answer(s.ID)
	message.Usage = writeUsage(e.usage)
	dst, err := appendFrame(dst, "message_start", messageStart{"message_start", message})
	return append(dst, pingFrame...), err
}

// answer returns a message without content.
func (e *encoder) answer(id string) answer {
	return answer{
		ID: cmp.Or(id, newID("msg_")), Type: "message", Role: "assistant", Model: e.model,
		Content: []json.RawMessage{},
	}
}

func (e *encoder) blockStart(dst []byte, b llm.Block) ([]byte, error) {
	wire, ok := writeBlock(b)
	if !ok {
		return dst, nil // nothing that clients of this dialect could show
	}
	e.open, e.seen = b, nil
	if _, ok := b.(llm.Thinking); ok {
		e.seen = sha256.New()
	}
	return appendFrame(dst, "content_block_start", blockStart{"content_block_start", e.index, wire})
}

func (e *encoder) delta(dst []byte, d llm.Delta) ([]byte, error) {
	var err error
	for _, piece := range e.pieces(d) {
		dst, err = appendFrame(dst, "content_block_delta", blockDelta{"content_block_delta", e.index, piece})
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (e *encoder) pieces(d llm.Delta) (pieces []delta) {
	switch e.open.(type) {
	case llm.Text:
		if d.Text != "" {
			pieces = append(pieces, delta{Type: "text_delta", Text: d.Text})
		}
		if d.Citation != nil && d.Citation.Dialect == dialectName {
			pieces = append(pieces, delta{Type: "citations_delta", Citation: d.Citation.JSON})
		}
	case llm.Thinking:
		if d.Text != "" {
			e.seen.Write([]byte(d.Text))
			pieces = append(pieces, delta{Type: "thinking_delta", Thinking: d.Text})
		}
	case llm.ToolCall:
		if d.Text != "" {
			pieces = append(pieces, delta{Type: "input_json_delta", PartialJSON: d.Text})
		}
	default: // what cannot be shown, or came as a whole
	}
	return pieces
}

func (e *encoder) blockEnd(dst []byte, end llm.BlockEnd) ([]byte, error) {
	if e.open == nil {
		return dst, nil
	}
	var err error
	if e.seen != nil {
		signature := cmp.Or(end.Signature, signatureOf(e.seen))
		dst, err = appendFrame(dst, "content_block_delta",
			blockDelta{"content_block_delta", e.index, delta{Type: "signature_delta", Signature: signature}})
		if err != nil {
			return dst, err
		}
	}
	dst, err = appendFrame(dst, "content_block_stop", blockStop{"content_block_stop", e.index})
	e.open, e.seen = nil, nil
	e.index++
	return dst, err
}

func (e *encoder) finish(dst []byte, f llm.Finish) ([]byte, error) {
	if f.Usage != nil {
		e.usage = *f.Usage
	}
	dst, err := appendFrame(dst, "message_delta", messageDelta{"message_delta", endingOf(f), writeUsage(e.usage)})
	if err != nil {
		return dst, err
	}
	return appendFrame(dst, "message_stop", struct {
		Type string `json:"type"`
	}{"message_stop"})
}

// signatureOf returns the signature of a thought that came without one, for
// clients want some. It is a digest without a key: it marks the block as ours,
// to be left out of what goes to Anthropic, and proves nothing.
func signatureOf(text hash.Hash) string {
	return ownSignature + base64.RawURLEncoding.EncodeToString(text.Sum(nil))
}

func appendFrame(dst []byte, event string, data any) ([]byte, error) {
	text, err := rawjson.Marshal(data)
	if err != nil {
		return dst, fmt.Errorf("write %s: %w", event, err)
	}
	dst = append(append(dst, "event: "...), event...)
	dst = append(append(dst, "\ndata: "...), text...)
	return append(dst, "\n\n"...), nil
}
