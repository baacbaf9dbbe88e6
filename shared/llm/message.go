package llm

import "encoding/json"

// A Role says who speaks in a [Message].
type Role string

// The roles. Tool results are blocks of a user's message.
const (
	RoleSystem    Role = "system" // an instruction in the middle of a conversation
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// A Message is one turn of a conversation. Neighbouring messages may have the
// same role.
type Message struct {
	Role    Role   `json:"role"`
	Name    string `json:"name,omitempty"` // the speaker's, where the dialect has it
	Content Blocks `json:"content,omitempty"`
}

// A Block is one piece of a message or of an answer: [Text], [Image],
// [Document], [Audio], [Thinking], [RedactedThinking], [ToolCall],
// [ToolResult] or [Opaque].
//
//sumtype:decl
type Block interface{ block() }

// Text is what is said. In an answer it may cite its sources.
type Text struct {
	Text      string     `json:"text"`
	Refusal   bool       `json:"refusal,omitempty"` // the model declined, and says so
	Citations []Citation `json:"citations,omitempty"`
	Logprobs  []Logprob  `json:"logprobs,omitempty"`
}

// A Citation is a source of a text, as its dialect writes it.
type Citation struct {
	Dialect string          `json:"dialect"`
	JSON    json.RawMessage `json:"json"`
	Page    *Page           `json:"page,omitempty"` // what other dialects can say of it; nil: nothing
}

// A Page is a page of the web, and which part of a block's text is from there:
// in characters, from the first one to that behind the last. Where To is 0, it
// is all of the text.
type Page struct {
	URL   string `json:"url"`
	Title string `json:"title,omitempty"`
	From  int    `json:"from,omitempty"`
	To    int    `json:"to,omitempty"`
}

// An Image is a picture.
type Image struct {
	Source
	Detail string `json:"detail,omitempty"` // OpenAI's hint: low, high or auto
}

// A Document is a file with text, such as a PDF.
type Document struct {
	Source
	Title   string `json:"title,omitempty"`
	Context string `json:"context,omitempty"`
	Cite    bool   `json:"cite,omitempty"` // the model shall cite it
}

// Audio is recorded sound.
type Audio struct {
	Source
	Format string `json:"format,omitempty"` // wav, mp3, …
}

// A Source says where the bytes of a block are; just one of Data, Text, URL
// and FileID is set.
type Source struct {
	MediaType string `json:"media_type,omitempty"` // empty: not known
	Data      string `json:"data,omitempty"`       // standard base64 with padding
	Text      string `json:"plain,omitempty"`      // plain text, of documents
	URL       string `json:"url,omitempty"`
	FileID    string `json:"file_id,omitempty"` // of a file kept by the provider
}

// Thinking is reasoning that the model shows. Signature proves to its provider
// that the text was not altered; it is empty where the provider has none.
type Thinking struct {
	Text      string `json:"text"`
	Signature string `json:"signature,omitempty"`
}

// RedactedThinking is reasoning that only its provider can read.
type RedactedThinking struct {
	Data string `json:"data"`
}

// A ToolCall asks the client to run a tool. Arguments is the text of a JSON
// object as the model wrote it; it may be incomplete when an answer was cut by
// a token limit, and empty when there are none.
type ToolCall struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name"`
	Arguments string `json:"arguments,omitempty"`
}

// A ToolResult is what a tool returned. CallID or Name may be empty, not both,
// where a dialect goes by one of them.
type ToolResult struct {
	CallID  string `json:"call_id,omitempty"`
	Name    string `json:"name,omitempty"`
	Content Blocks `json:"content,omitempty"`
	IsError bool   `json:"is_error,omitempty"`
}

// Opaque is a block that only its own dialect understands, such as a search
// that the provider ran by itself.
type Opaque struct {
	Dialect string          `json:"dialect"`
	Kind    string          `json:"kind"`
	JSON    json.RawMessage `json:"json"`
}

func (Text) block()             {}
func (Image) block()            {}
func (Document) block()         {}
func (Audio) block()            {}
func (Thinking) block()         {}
func (RedactedThinking) block() {}
func (ToolCall) block()         {}
func (ToolResult) block()       {}
func (Opaque) block()           {}

var blockTags = newTags[Block](map[string]Block{
	"text": Text{}, "image": Image{}, "document": Document{}, "audio": Audio{},
	"thinking": Thinking{}, "redacted_thinking": RedactedThinking{},
	"tool_call": ToolCall{}, "tool_result": ToolResult{}, "opaque": Opaque{},
})

// Blocks is a list of blocks that can be written as JSON: each as an object
// with one key, its kind.
type Blocks []Block

// PlainText joins the texts among the blocks, with sep between them.
func (b Blocks) PlainText(sep string) string {
	var out []byte
	first := true
	for _, block := range b {
		t, ok := block.(Text)
		if !ok {
			continue
		}
		if !first {
			out = append(out, sep...)
		}
		out, first = append(out, t.Text...), false
	}
	return string(out)
}
