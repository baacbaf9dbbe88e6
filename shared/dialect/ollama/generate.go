package ollama

import (
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// decodeGenerate reads a prompt without a conversation. The checks are made in
// Ollama's order: an empty prompt unloads or loads the model, whatever else
// the body says.
func (s Server) decodeGenerate(body []byte) (*dialect.Call, error) {
	in, r, err := read(body, func(in *generateRequest) *request { return &in.request })
	if err != nil {
		return nil, err
	}
	if in.Model == "" {
		return nil, &llm.Error{Code: llm.CodeModelNotFound, Message: notFoundText("")}
	}
	alive, err := readKeepAlive(in.KeepAlive)
	if err != nil {
		return nil, err
	}
	call := s.newCall(r, spellGenerate)
	unload := in.Prompt == "" && alive != nil && *alive == 0
	if !unload {
		if in.Raw && (in.Template != "" || in.System != "" || len(in.Context) > 0) {
			return nil, invalid("raw", "raw mode does not support template, system, or context")
		}
		if err := readCommon(r, &in.request); err != nil {
			return nil, err
		}
	}
	if in.Prompt == "" {
		call.Reply, err = s.loaded(r.Model, alive, spellGenerate)
		return call, err
	}
	if err := readPrompt(r, in); err != nil {
		return nil, err
	}
	return orNative(call, nativeOnly(in))
}

func readPrompt(r *llm.Request, in *generateRequest) error {
	if in.System != "" {
		r.System = llm.Blocks{llm.Text{Text: in.System}}
	}
	content, err := readContent(message{Content: in.Prompt, Images: in.Images})
	if err != nil {
		return err
	}
	addMessage(r, llm.RoleUser, content)
	return nil
}

// nativeOnly refuses what only an Ollama upstream can do, and what must not be
// dropped: the prompt would mean something else without it.
func nativeOnly(in *generateRequest) error {
	for _, field := range []struct {
		name string
		used bool
	}{
		{"raw", in.Raw},
		{"template", in.Template != ""},
		{"suffix", in.Suffix != ""},
		{"context", len(in.Context) > 0},
	} {
		if field.used {
			return unsupported(field.name, in.Model, field.name)
		}
	}
	return nil
}
