package responses

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// readContent reads a string or a list of parts. Empty texts are left out, for
// they say nothing and are an error elsewhere.
func readContent(raw json.RawMessage, path string) (llm.Blocks, error) {
	if rawjson.IsNull(raw) {
		return nil, nil
	}
	var said string
	if json.Unmarshal(raw, &said) == nil {
		return texts(said), nil
	}
	var parts []part
	if json.Unmarshal(raw, &parts) != nil {
		return nil, invalid(path, "Invalid type for '%s': expected a string or an array of parts.", path)
	}
	var all llm.Blocks
	for i, p := range parts {
		at := fmt.Sprintf("%s[%d]", path, i)
		read, ok := partTypes[p.Type]
		if !ok {
			return nil, invalid(at+".type", "Invalid value: '%s'. Supported values are: 'input_text', 'input_image', 'input_file', 'output_text', and 'refusal'.", p.Type)
		}
		block, err := read(p, at)
		if err != nil {
			return nil, err
		}
		if t, ok := block.(llm.Text); !ok || t.Text != "" {
			all = append(all, block)
		}
	}
	return all, nil
}

func texts(s string) llm.Blocks {
	if s == "" {
		return nil
	}
	return llm.Blocks{llm.Text{Text: s}}
}

var partTypes = map[string]func(p part, path string) (llm.Block, error){
	"input_text":  readText,
	"output_text": readText,
	"text":        readText,
	"refusal":     func(p part, _ string) (llm.Block, error) { return llm.Text{Text: text(p.Refusal), Refusal: true}, nil },
	"input_image": readImage,
	"input_file":  readFile,
}

func readText(p part, _ string) (llm.Block, error) { return llm.Text{Text: text(p.Text)}, nil }

func readImage(p part, path string) (llm.Block, error) {
	switch {
	case p.ImageURL != "":
		source, err := readURL(p.ImageURL, path+".image_url")
		return llm.Image{Source: source, Detail: p.Detail}, err
	case p.FileID != "":
		return llm.Image{Source: llm.Source{FileID: p.FileID}, Detail: p.Detail}, nil
	}
	return nil, invalid(path+".image_url", "Missing required parameter: '%s.image_url'.", path)
}

func readFile(p part, path string) (llm.Block, error) {
	switch {
	case p.FileData != "":
		data := p.FileData
		if !isData(data) { // bare base64 is taken as well
			data = "data:application/pdf;base64," + data
		}
		source, err := readURL(data, path+".file_data")
		return llm.Document{Source: source, Title: p.Filename}, err
	case p.FileURL != "":
		source, err := readURL(p.FileURL, path+".file_url")
		return llm.Document{Source: source, Title: p.Filename}, err
	case p.FileID != "":
		return llm.Document{Source: llm.Source{FileID: p.FileID}, Title: p.Filename}, nil
	}
	return nil, invalid(path+".file_data", "Missing required parameter: '%s.file_data'.", path)
}

func isData(url string) bool { return len(url) >= 5 && strings.EqualFold(url[:5], "data:") }

func readURL(url, path string) (llm.Source, error) {
	source, ok := dialect.Source(url)
	if !ok {
		return llm.Source{}, invalid(path, "Invalid value for '%s': expected a base64-encoded data URL.", path)
	}
	return source, nil
}
