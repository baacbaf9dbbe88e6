package llm

// MarshalJSON writes the block with its kind.
func (b BlockStart) MarshalJSON() ([]byte, error) { return blockTags.append(nil, b.Block) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (b *BlockStart) UnmarshalJSON(data []byte) (err error) {
	b.Block, err = blockTags.parse(data)
	return err
}

var eventTags = newTags(map[string]Event{
	"start": Start{}, "block_start": BlockStart{}, "delta": Delta{},
	"block_end": BlockEnd{}, "finish": Finish{},
})

// piece is the line of most events: of a [Delta] of a text alone.
var piece = form{`{"delta":{"text":`, "}}\n"}

// usual are the lines of the events that nearly every answer has.
var usual = map[string]Event{
	`{"block_start":{"text":{"text":""}}}` + "\n":     BlockStart{Block: Text{}},
	`{"block_start":{"thinking":{"text":""}}}` + "\n": BlockStart{Block: Thinking{}},
	`{"block_end":{}}` + "\n":                         BlockEnd{},
}

// AppendEvent appends e to dst as one line of JSON, for [ParseEvent].
func AppendEvent(dst []byte, e Event) ([]byte, error) {
	if d, ok := e.(Delta); ok && d.Text != "" && d.Citation == nil && len(d.Logprobs) == 0 {
		return piece.append(dst, d.Text), nil
	}
	line, err := eventTags.append(dst, e)
	if err != nil {
		return dst, err
	}
	return append(line, '\n'), nil
}

// ParseEvent reads a line written by [AppendEvent].
func ParseEvent(line []byte) (Event, error) {
	if text, ok := piece.parse(line); ok {
		return Delta{Text: text}, nil
	}
	if e, ok := usual[string(line)]; ok {
		return e, nil
	}
	return eventTags.parse(line)
}
