package anthropic

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const (
	pingFrame = "event: ping\ndata: {\"type\":\"ping\"}\n\n"
	stopFrame = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
)

// ownSignature begins the signatures of thoughts that no Anthropic model had.
const ownSignature = "allama1."

// Signed reports whether a model of Anthropic's has signed the thought; only
// such may be sent to one.
func Signed(t llm.Thinking) bool {
	return t.Signature != "" && !strings.HasPrefix(t.Signature, ownSignature)
}

// encoder writes the answer to one call.
type encoder struct {
	out      []byte // what is being appended to
	err      error
	model    string // as the client named it
	estimate int    // of the tokens of the request
	index    int    // of the open block, or of the next one
	open     llm.Block
	seen     hash.Hash       // the text of the open thought
	usage    llm.Usage       // as far as it is known
	pieces   dialect.Stencil // of the open block
}

type messageStart struct {
	Type    string `json:"type"`
	Message answer `json:"message"`
}

// blockEvent is content_block_start, _delta or _stop.
type blockEvent struct {
	Type  string `json:"type"`
	Index int    `json:"index"`
	Block any    `json:"content_block,omitempty"`
	Delta *delta `json:"delta,omitempty"`
}

type messageDelta struct {
	Type  string `json:"type"`
	Delta ending `json:"delta"`
	Usage *usage `json:"usage"`
}

// Restart returns an encoder in its first state.
func (e *encoder) Restart() dialect.Encoder { return &encoder{model: e.model, estimate: e.estimate} }

// Event appends the frames of an event.
func (e *encoder) Event(dst []byte, event llm.Event) ([]byte, error) {
	e.out, e.err = dst, nil
	switch event := event.(type) {
	case llm.Start:
		e.start(event)
	case llm.BlockStart:
		e.blockStart(event.Block)
	case llm.Delta:
		e.delta(event)
	case llm.BlockEnd:
		e.blockEnd(event)
	case llm.Finish:
		e.finish(event)
	}
	return e.out, e.err
}

func (e *encoder) start(s llm.Start) {
	e.usage = llm.Usage{Output: 1} // as the API counts before it knows better
	if s.Usage != nil {
		e.usage = *s.Usage
	}
	if e.usage.Prompt() == 0 {
		e.usage.Input = e.estimate
	}
	message := e.answer(s.ID)
	message.Usage = writeUsage(e.usage)
	e.frame("message_start", messageStart{"message_start", message})
	e.out = append(e.out, pingFrame...)
}

// answer returns a message without content.
func (e *encoder) answer(id string) answer {
	return answer{
		ID: cmp.Or(id, newID("msg_")), Type: "message", Role: "assistant", Model: e.model,
		Content: []json.RawMessage{},
	}
}

func (e *encoder) blockStart(b llm.Block) {
	wire, ok := writeBlock(b)
	if !ok {
		return // nothing that clients of this dialect could show
	}
	e.open, e.pieces = b, nil
	if _, ok := b.(llm.Thinking); ok {
		e.seen = sha256.New()
	}
	e.block(blockEvent{Type: "content_block_start", Block: wire})
}

func (e *encoder) delta(d llm.Delta) {
	switch e.open.(type) {
	case llm.Text:
		if d.Text != "" {
			e.say(d.Text, func(text string) { e.piece(delta{Type: "text_delta", Text: text}) })
		}
		if d.Citation != nil && d.Citation.Dialect == dialectName {
			e.piece(delta{Type: "citations_delta", Citation: d.Citation.JSON})
		}
	case llm.Thinking:
		if d.Text != "" {
			e.seen.Write([]byte(d.Text))
			e.say(d.Text, func(text string) { e.piece(delta{Type: "thinking_delta", Thinking: text}) })
		}
	case llm.ToolCall:
		if d.Text != "" {
			e.say(d.Text, func(text string) { e.piece(delta{Type: "input_json_delta", PartialJSON: text}) })
		}
	}
}

// say writes a piece of a text, as write does, which writes to e.
func (e *encoder) say(text string, write func(text string)) {
	e.out = e.pieces.Repeat(e.out, text, func(dst []byte, text string) []byte {
		e.out = dst
		write(text)
		return e.out
	})
}

func (e *encoder) piece(d delta) {
	e.block(blockEvent{Type: "content_block_delta", Delta: &d})
}

func (e *encoder) block(b blockEvent) {
	b.Index = e.index
	e.frame(b.Type, b)
}

func (e *encoder) blockEnd(end llm.BlockEnd) {
	if e.open == nil {
		return
	}
	if e.seen != nil {
		e.piece(delta{Type: "signature_delta", Signature: cmp.Or(end.Signature, signatureOf(e.seen))})
	}
	e.block(blockEvent{Type: "content_block_stop"})
	e.open, e.seen = nil, nil
	e.index++
}

func (e *encoder) finish(f llm.Finish) {
	if f.Usage != nil {
		e.usage = *f.Usage
	}
	e.frame("message_delta", messageDelta{"message_delta", endingOf(f), writeUsage(e.usage)})
	e.out = append(e.out, stopFrame...)
}

// signatureOf returns the signature of a thought that came without one, for
// clients want some. It is a digest without a key: it marks the block as ours,
// to be left out of what goes to Anthropic, and proves nothing.
func signatureOf(text hash.Hash) string {
	return ownSignature + base64.RawURLEncoding.EncodeToString(text.Sum(nil))
}

func (e *encoder) frame(event string, data any) {
	text, err := rawjson.Marshal(data)
	e.err = cmp.Or(e.err, err)
	e.out = append(append(e.out, "event: "...), event...)
	e.out = append(append(e.out, "\ndata: "...), text...)
	e.out = append(e.out, "\n\n"...)
}
