// Package dialect says what allama needs of a wire dialect: of the side that
// clients speak, [Server], and of the side that upstreams speak, [Client].
//
// A dialect translates between its wire form and package llm, never into
// another dialect, and does no I/O.
package dialect

import (
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A Server is a dialect as clients speak it. Its methods are safe for
// concurrent use.
type Server interface {
	// Name is the dialect's name: openai, anthropic, ollama.
	Name() string

	// Routes lists the dialect's model calls.
	Routes() []Route

	// Decode reads the body of a call, a JSON object. It returns an
	// [*llm.Error] when the body is not a request of the operation.
	Decode(operation string, body []byte) (*Call, error)

	// Framing says how an answer of the operation is streamed.
	Framing(operation string) Framing

	// Refuse writes the status and the body for a call that has failed before
	// its answer began. The request id is shown where the dialect has a place
	// for it.
	Refuse(e *llm.Error, requestID string) (status int, body []byte)
}

// A Route is one model call of a dialect.
type Route struct {
	Path      string // of the POST request, such as /v1/chat/completions
	Operation string // the path behind the API's base, such as chat/completions
	Streams   bool   // whether the answer is streamed when the request does not say
	Task      llm.Task
	Media     string // what a call of [llm.TaskMedia] asks for, such as image generation

	// Header is the one of a request that goes along where the call is passed
	// on as it is; may be empty. Content-Type says that bodies may be forms.
	Header string
}

// A Call is a request as it was read, and the way to answer it.
type Call struct {
	Request *llm.Request
	Encoder Encoder

	// Reply, if not nil, is the whole answer: the call needs no upstream.
	Reply []byte

	// Warnings say what reading the request has dropped or emulated.
	Warnings []llm.Warning
}

// An Encoder writes the answer to one call, either as a stream or as a whole.
// It is not safe for concurrent use. After a lost attempt a new encoder starts
// over.
type Encoder interface {
	// Event appends the wire form of e to dst; many events have none.
	Event(dst []byte, e llm.Event) ([]byte, error)

	// Whole returns the body of an answer that is not streamed.
	Whole(r *llm.Response) ([]byte, error)

	// Restart returns an encoder in its first state, for the same call.
	Restart() Encoder
}

// A Framing says how a dialect streams.
type Framing struct {
	ContentType string
	KeepAlive   []byte                  // may be sent between frames during silence; empty: nothing may
	Error       func(*llm.Error) []byte // the frame that ends a stream that has failed

	// Broken, if not nil, is Error for a stream in the upstream's own words:
	// it goes on from the first and the last of the frames that the client has
	// got; there may be others with either.
	Broken func(first, last []byte, e *llm.Error) []byte
}

// A Client is a dialect as upstreams speak it. Its methods are safe for
// concurrent use.
type Client interface {
	// Name is the dialect's name.
	Name() string

	// Encode writes a request. It returns an [*llm.Error] when the dialect
	// cannot carry something that must not be dropped.
	Encode(r *llm.Request) (*Encoded, error)

	// Decoder reads one streamed answer of the operation.
	Decoder(operation string) Decoder

	// Whole reads an answer that is not streamed. It returns an [*llm.Error]
	// when the body, in spite of its status, is an error.
	Whole(operation string, body []byte) (*llm.Response, error)

	// Error reads the body of an answer with a status of 400 or above. The
	// body may be anything: another program may have answered.
	Error(status int, body []byte) *llm.Error
}

// Encoded is a request in wire form.
type Encoded struct {
	Operation string // the path behind the API's base, such as chat/completions
	Body      []byte
	Warnings  []llm.Warning

	// Streams says that Body asks for a streamed answer though the request
	// does not.
	Streams bool

	// Restore, if not nil, makes of the answer to Body the answer to the
	// request: it undoes what had to be changed. It can be called once.
	Restore func(llm.Stream) llm.Stream
}

// A Decoder reads one streamed answer, frame by frame. It is not safe for
// concurrent use.
type Decoder interface {
	// Step takes the next frame and returns what it says; the slice is valid
	// until the next step. An [*llm.Error] means that the upstream reported a
	// failure. After [llm.Finish] was returned, further frames return nothing.
	Step(f frame.Frame) ([]llm.Event, error)

	// End takes the clean end of the input. It returns what was held back, or
	// [llm.ErrTruncated] where the answer is not complete.
	End() ([]llm.Event, error)
}

// Events decodes a streamed answer.
func Events(frames frame.Frames, d Decoder) llm.Stream {
	return func(yield func(llm.Event, error) bool) {
		for f, err := range frames {
			if err != nil {
				yield(nil, err)
				return
			}
			events, err := d.Step(f)
			if !yieldAll(yield, events, err) {
				return
			}
		}
		events, err := d.End()
		yieldAll(yield, events, err)
	}
}

// yieldAll yields events, then err if there is one; it reports whether to go on.
func yieldAll(yield func(llm.Event, error) bool, events []llm.Event, err error) bool {
	for _, e := range events {
		if !yield(e, nil) {
			return false
		}
	}
	if err != nil {
		yield(nil, err)
		return false
	}
	return true
}
