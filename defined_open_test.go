package main

import (
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/roster"
)

func TestDefinitionsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		definition roster.Definition
		want       string // in the error; empty: it can be used
	}{
		{roster.Definition{Kind: "ollama", Host: "127.0.0.1"}, ""},
		{roster.Definition{Kind: "ollama", Host: "192.168.1.7:11434"}, ""},
		{roster.Definition{Kind: "openai", Host: "http://169.254.169.254/latest"}, "link-local"},
		{roster.Definition{Kind: "ollama", Host: "169.254.169.254"}, "link-local"},
		{roster.Definition{Kind: "anthropic", Host: "http://[fd00:ec2::254]"}, "link-local"},
		{roster.Definition{Kind: "groq", Host: "http://[::ffff:169.254.169.254]"}, "link-local"},
		{roster.Definition{Kind: "anthropic", Host: "claude.example", Beta: new(true)}, ""},
		{roster.Definition{Kind: "openai", Host: "openai.example", Beta: new(true)}, "forward_beta: only"},
		{roster.Definition{Kind: "demo", Host: "x"}, "kind: use one of"},
	} {
		tt.definition.Name = "late"
		_, err := openDefined(tt.definition)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: got %v want %q", tt.definition, err, tt.want)
		}
	}
}
