package dialect

import (
	"testing"
	"unicode/utf8"
)

func TestTheInputOfAFreeFormTool(t *testing.T) {
	tests := []struct{ name, arguments, want string }{
		{"none", "", ""},
		{"plain", `{"input":"ls -l"}`, "ls -l"},
		{"spaced", " {\n \"input\" :\t\"a\" } ", "a"},
		{"escaped", `{"input":"a\n\"b\" \\ \/ é \u00e9 \ud83d\ude00"}`, "a\n\"b\" \\ / é é 😀"},
		{"nothing", `{"input":""}`, ""},
		{"cut off", `{"input":"a`, "a"},
		{"cut off inside an escape", `{"input":"a\u00`, "a"},
		{"cut off inside a pair", `{"input":"a\ud83d`, "a\ufffd"},
		{"a newline as it is", "{\"input\":\"a\nb\"}", "a\nb"},
		{"what is no escape", `{"input":"\d+\u12"}`, `\d+\u12`},
		{"another key before", `{"why":"x","input":"a"}`, "a"},
		{"cut off behind the text", `{"input":"a"`, "a"},
		{"against the schema", `{"patch":"a"}`, `{"patch":"a"}`},
		{"no text", `{"input":5}`, `{"input":5}`},
		{"no JSON", "ls -l", "ls -l"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := FreeFormText(tt.arguments); got != tt.want {
				t.Errorf("FreeFormText(%q) = %q want %q", tt.arguments, got, tt.want)
			}
		})
	}
}

func TestTheInputOfAFreeFormToolComesPieceByPiece(t *testing.T) {
	var in FreeFormInput
	for _, step := range []struct{ piece, want string }{
		{`{"in`, ""}, {`put":"`, ""}, {"ls ", "ls "}, {`\`, ""}, {`n\u00`, "\n"}, {"e9", "é"},
		{`\ud83d`, ""}, {`\ud`, ""}, {`e00!`, "😀!"}, {`"}`, ""}, {" ", ""},
	} {
		if got := in.Add(step.piece); got != step.want {
			t.Errorf("Add(%q) = %q want %q", step.piece, got, step.want)
		}
	}
	if rest := in.Rest(); rest != "" {
		t.Errorf("Rest() = %q want nothing", rest)
	}
}

func FuzzFreeFormInput(f *testing.F) {
	f.Add(`{"input":"a\n\ud83d\ude00é"}`, 3)
	f.Add(`{"why":"x","input":"a"}`, 1)
	f.Add("ls -l", 2)
	f.Fuzz(func(t *testing.T, arguments string, size int) {
		if size < 1 || size > len(arguments) {
			return
		}
		var in FreeFormInput
		got := ""
		for rest := arguments; rest != ""; {
			n := min(size, len(rest))
			piece := in.Add(rest[:n])
			if in.inside && !utf8.ValidString(piece) {
				t.Errorf("a rune is split: %q", piece)
			}
			got, rest = got+piece, rest[n:]
		}
		got += in.Rest()
		if want := FreeFormText(arguments); got != want {
			t.Errorf("in pieces of %d: got %q want %q", size, got, want)
		}
	})
}

func FuzzFreeFormArguments(f *testing.F) {
	f.Add("a \"b\"\n\\é😀\x00</script>\u2028")
	f.Fuzz(func(t *testing.T, input string) {
		if utf8.ValidString(input) && FreeFormText(FreeFormArguments(input)) != input {
			t.Errorf("got %q want %q", FreeFormText(FreeFormArguments(input)), input)
		}
	})
}
