package openai

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// media are the calls that are only ever passed on.
var media = []dialect.Route{
	{Path: "/v1/audio/transcriptions", Operation: "audio/transcriptions", Task: llm.TaskMedia, Media: "audio transcription", Header: "Content-Type"},
	{Path: "/v1/audio/translations", Operation: "audio/translations", Task: llm.TaskMedia, Media: "audio translation", Header: "Content-Type"},
	{Path: "/v1/audio/speech", Operation: "audio/speech", Task: llm.TaskMedia, Media: "speech generation"},
	{Path: "/v1/images/generations", Operation: "images/generations", Task: llm.TaskMedia, Media: "image generation"},
	{Path: "/v1/images/edits", Operation: "images/edits", Task: llm.TaskMedia, Media: "image editing", Header: "Content-Type"},
}

func isMedia(operation string) bool {
	return slices.ContainsFunc(media, func(r dialect.Route) bool { return r.Operation == operation })
}

// mediaFraming has no signs of life: models answer as a whole even where they
// are asked for a stream, which is only known when the answer begins.
var mediaFraming = dialect.Framing{ContentType: "text/event-stream", Error: errorFrame}

// A mediaEvent is a whole answer or an event of a stream, without the sound,
// the picture or the text.
type mediaEvent struct {
	Type   string          `json:"type"`
	Object string          `json:"object"`
	Error  json.RawMessage `json:"error"`
	Usage  json.RawMessage `json:"usage"`
}

// lastEvents are those with which a stream is complete, and whether it ends
// with them: of several pictures, each has its own.
var lastEvents = map[string]bool{
	"transcript.text.done":       true,
	"transcription.done":         true, // Mistral
	"speech.audio.done":          true,
	"image_generation.completed": false,
	"image_edit.completed":       false,
}

// A mediaDecoder finds the end of a stream, and its usage. Of what is between,
// it only says that it is there.
type mediaDecoder struct {
	started  bool
	complete bool // the end may come
	finished bool
	usage    *llm.Usage
}

// Step takes the next event.
func (d *mediaDecoder) Step(f frame.Frame) ([]llm.Event, error) {
	data := bytes.TrimSpace(f.Data)
	switch {
	case d.finished || len(data) == 0:
		return nil, nil
	case string(data) == "[DONE]" && d.started: // of compatible servers
		return d.finish(nil), nil
	case string(data) == "[DONE]":
		return nil, llm.ErrTruncated
	}
	var e mediaEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, dialect.Unreadable(err)
	}
	kind := cmp.Or(e.Type, f.Event)
	if !rawjson.IsNull(e.Error) || e.Object == "error" || kind == "error" {
		return nil, readError(0, data)
	}
	var events []llm.Event
	if !d.started {
		d.started, events = true, []llm.Event{llm.Start{}, llm.BlockStart{Block: llm.Text{}}}
	}
	d.usage = cmp.Or(mediaUsage(e.Usage), d.usage)
	last, known := lastEvents[kind]
	if d.complete = d.complete || known; last {
		return d.finish(events), nil
	}
	return append(events, llm.Delta{}), nil
}

// End takes the clean end of the stream.
func (d *mediaDecoder) End() ([]llm.Event, error) {
	switch {
	case d.finished:
		return nil, nil
	case !d.complete:
		return nil, llm.ErrTruncated
	}
	return d.finish(nil), nil
}

func (d *mediaDecoder) finish(events []llm.Event) []llm.Event {
	d.finished = true
	return append(events, llm.BlockEnd{}, llm.Finish{Reason: llm.FinishStop, Usage: d.usage})
}

// wholeMedia reads of an answer in JSON whether it is one, and its usage.
func wholeMedia(body []byte) (*llm.Response, error) {
	answer := &llm.Response{Finish: llm.Finish{Reason: llm.FinishStop}}
	if !rawjson.IsObject(body) { // such as a transcript that is just a string
		if !json.Valid(body) {
			return nil, dialect.Unreadable(json.Unmarshal(body, new(json.RawMessage)))
		}
		return answer, nil
	}
	var e mediaEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, dialect.Unreadable(err)
	}
	if !rawjson.IsNull(e.Error) || e.Object == "error" {
		return nil, readError(0, body)
	}
	answer.Finish.Usage = mediaUsage(e.Usage)
	return answer, nil
}

// mediaUsage reads usage by either of its names; nil where none is told in
// tokens, as where a transcript is paid for by the second.
func mediaUsage(raw json.RawMessage) *llm.Usage {
	var u struct {
		Input      number `json:"input_tokens"`
		Output     number `json:"output_tokens"`
		Prompt     number `json:"prompt_tokens"`
		Completion number `json:"completion_tokens"`
	}
	if rawjson.IsNull(raw) || json.Unmarshal(raw, &u) != nil {
		return nil
	}
	input, output := cmp.Or(u.Input, u.Prompt), cmp.Or(u.Output, u.Completion)
	if input+output == 0 {
		return nil
	}
	return &llm.Usage{Input: int(input), Output: int(output)}
}
