package llm

import (
	"fmt"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// said is the JSON of most blocks: of a [Text] that says just that.
var said = form{`{"text":{"text":`, "}}"}

// MarshalJSON writes the blocks with their kinds.
func (b Blocks) MarshalJSON() ([]byte, error) { return b.append(nil) }

func (b Blocks) append(dst []byte) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, block := range b {
		if i > 0 {
			dst = append(dst, ',')
		}
		if t, ok := block.(Text); ok && t.bare() {
			dst = said.append(dst, t.Text)
		} else if dst, err = blockTags.append(dst, block); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (b *Blocks) UnmarshalJSON(data []byte) error {
	if rawjson.IsNull(data) {
		*b = Blocks{}
		return nil
	}
	if data[0] != '[' {
		return fmt.Errorf("llm: want a list of blocks, have %.20s", data)
	}
	list := Blocks{}
	for item := range rawjson.Elements(data) {
		block, err := parseBlock(item)
		if err != nil {
			return fmt.Errorf("block %d: %w", len(list), err)
		}
		list = append(list, block)
	}
	*b = list
	return nil
}

func parseBlock(data []byte) (Block, error) {
	if text, ok := said.parse(data); ok {
		return Text{Text: text}, nil
	}
	if data[0] != '{' {
		return nil, fmt.Errorf("llm: want a block, have %.20s", data)
	}
	return blockTags.read(data)
}

// bare reports whether t says just its text.
func (t Text) bare() bool { return !t.Refusal && len(t.Citations)+len(t.Logprobs) == 0 }

func (t ToolCall) append(dst []byte) ([]byte, error) {
	said := t.Arguments
	t.Arguments = ""
	dst, err := rawjson.Append(dst, t)
	if err != nil || said == "" {
		return dst, err
	}
	dst = append(dst[:len(dst)-len("}")], `,"arguments":`...)
	return append(rawjson.AppendString(dst, said), '}'), nil
}

func (t *ToolCall) parse(object []byte) error {
	return rawjson.Apart(object, t, func(key string, value []byte) (bool, error) {
		return key == "arguments" && rawjson.ReadText(value, &t.Arguments), nil
	})
}

func (t ToolResult) append(dst []byte) ([]byte, error) {
	content := t.Content
	t.Content = nil
	dst, err := rawjson.Append(dst, t)
	if err != nil || len(content) == 0 {
		return dst, err
	}
	dst = dst[:len(dst)-len("}")]
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	if dst, err = content.append(append(dst, `"content":`...)); err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}

func (t *ToolResult) parse(object []byte) error {
	return rawjson.Apart(object, t, func(key string, value []byte) (bool, error) {
		if key != "content" {
			return false, nil
		}
		return true, t.Content.UnmarshalJSON(value)
	})
}

func (i *Image) parse(object []byte) error {
	return rawjson.Apart(object, i, func(key string, value []byte) (bool, error) {
		return key == "data" && rawjson.ReadText(value, &i.Data), nil
	})
}

func (d *Document) parse(object []byte) error {
	return rawjson.Apart(object, d, func(key string, value []byte) (bool, error) {
		return key == "data" && rawjson.ReadText(value, &d.Data), nil
	})
}
