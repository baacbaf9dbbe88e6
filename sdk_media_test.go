package main

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// OpenAI's own client makes and gets pictures, sounds and transcripts.
func TestOpenAIClientAndMedia(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		m := mediaUser{openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0)), u}
		t.Run("transcription", m.transcription)
		t.Run("streamed transcription", m.transcriptionStream)
		t.Run("translation", m.translation)
		t.Run("image generation", m.image)
		t.Run("streamed image generation", m.imageStream)
		t.Run("image editing", m.edit)
		t.Run("speech", m.speech)
		t.Run("refusals", m.refusals)
	})
}

// A mediaUser calls with OpenAI's own client.
type mediaUser struct {
	openai.Client
	upstream *upstream
}

func (m mediaUser) answers(contentType string, frames ...string) {
	m.upstream.setReplay(replayed{http.StatusOK, contentType, []byte(strings.Join(frames, ""))})
}

func (m mediaUser) transcribing(model string) openai.AudioTranscriptionNewParams {
	return openai.AudioTranscriptionNewParams{File: openai.File(strings.NewReader(sound), "a \"b\".mp3", "audio/mpeg"), Model: openai.AudioModel("openai/" + model)}
}

func (m mediaUser) transcription(t *testing.T) {
	m.answers("application/json", `{"text":"Grüße","usage":{"type":"tokens","input_tokens":1,"output_tokens":2,"total_tokens":3}}`)
	got, err := m.Audio.Transcriptions.New(t.Context(), m.transcribing("replay"))
	if err != nil || got.Text != "Grüße" || got.Usage.TotalTokens != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func (m mediaUser) transcriptionStream(t *testing.T) {
	delta := "event: transcript.text.delta\ndata: {\"type\":\"transcript.text.delta\",\"delta\":\"Grü\"}\n\n"
	done := "event: transcript.text.done\ndata: {\"type\":\"transcript.text.done\",\"text\":\"Grüße\"}\n\n"
	listen := func(model string) (types []string, err error) {
		events := m.Audio.Transcriptions.NewStreaming(t.Context(), m.transcribing(model))
		defer events.Close()
		for events.Next() {
			types = append(types, events.Current().Type)
		}
		return types, events.Err()
	}
	m.answers("text/event-stream", delta, done)
	if types, err := listen("replay"); err != nil || strings.Join(types, " ") != "transcript.text.delta transcript.text.done" {
		t.Errorf("got %v, %v", types, err)
	}
	m.answers("text/event-stream", delta, delta)
	if types, err := listen("torn"); err == nil || len(types) != 1 {
		t.Errorf("a torn stream: got %v, %v want an event and an error", types, err)
	}
}

func (m mediaUser) translation(t *testing.T) {
	m.answers("application/json", `{"text":"Greetings"}`)
	got, err := m.Audio.Translations.New(t.Context(), openai.AudioTranslationNewParams{File: strings.NewReader(sound), Model: "openai/replay"})
	if err != nil || got.Text != "Greetings" {
		t.Errorf("got %+v, %v", got, err)
	}
}

var picture = base64.StdEncoding.EncodeToString([]byte("\x89PNG"))

func (m mediaUser) image(t *testing.T) {
	m.answers("application/json", `{"created":1,"data":[{"b64_json":"`+picture+`"}],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`)
	got, err := m.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: "openai/replay", Prompt: "a cat"})
	if err != nil || len(got.Data) != 1 || got.Data[0].B64JSON != picture || got.Usage.TotalTokens != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func (m mediaUser) imageStream(t *testing.T) {
	m.answers("text/event-stream",
		"event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"aGk=\",\"partial_image_index\":0}\n\n",
		"event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\""+picture+"\",\"usage\":{\"total_tokens\":3}}\n\n")
	events := m.Images.GenerateStreaming(t.Context(), openai.ImageGenerateParams{Model: "openai/replay", Prompt: "a cat"})
	defer events.Close()
	var got []openai.ImageGenStreamEventUnion
	for events.Next() {
		got = append(got, events.Current())
	}
	if events.Err() != nil || len(got) != 2 || got[0].Type != "image_generation.partial_image" || got[1].B64JSON != picture {
		t.Errorf("got %+v, %v", got, events.Err())
	}
}

func (m mediaUser) edit(t *testing.T) {
	m.answers("application/json", `{"created":1,"data":[{"b64_json":"`+picture+`"}]}`)
	images := []io.Reader{strings.NewReader("\x89PNG one"), strings.NewReader("\x89PNG two")}
	got, err := m.Images.Edit(t.Context(), openai.ImageEditParams{
		Model: "openai/replay", Prompt: "a cat", Image: openai.ImageEditParamsImageUnion{OfFileArray: images},
	})
	if err != nil || len(got.Data) != 1 || got.Data[0].B64JSON != picture {
		t.Errorf("got %+v, %v", got, err)
	}
}

func (m mediaUser) speech(t *testing.T) {
	m.answers("audio/mpeg", sound)
	response, err := m.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{
		Input: "Hi", Model: "openai/replay", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || string(got) != sound || response.Header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("got %q of type %s, %v", got, response.Header.Get("Content-Type"), err)
	}
}

func (m mediaUser) refusals(t *testing.T) {
	for model, want := range map[string]struct {
		status  int
		message string
	}{
		"openai/fail-400": {400, "no way"}, "openai/fail-401": {502, "the upstream refused the provider's credentials"},
		"anthropic/replay": {400, "model 'anthropic/replay' does not support image generation"},
	} {
		_, err := m.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: model, Prompt: "a cat"})
		failed, ok := errors.AsType[*openai.Error](err)
		if !ok || failed.StatusCode != want.status || failed.Message != want.message {
			t.Errorf("%s: got %v want %d %s", model, err, want.status, want.message)
		}
	}
}
