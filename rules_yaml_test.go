package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/catalog"
)

// someProviders are those that the rules of these tests can be of.
var someProviders = map[string]bool{"openai": true, "anthropic": true, "groq": true, "gpu1": true, "gpu2": true, "idle": false}

// Every mistake is told with its line, all of them at once.
func TestBadRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		// No YAML, or more of it than is understood.
		{"aliases: [", "2: is not YAML: did not find expected node content"},
		{"aliases:\n  fast: [a, b\nx: y\n", "3: is not YAML: mapping values are not allowed in this context"},
		{"aliases:\n\tfast: a\n", "2: is not YAML: found character that cannot start any token"},
		{"a: b: c\n", "1: is not YAML: mapping values are not allowed in this context"},
		{"aliases: 'x\n\n", "3: is not YAML: found unexpected end of stream"},
		{"disabled: [*-preview]\n", "1: " + needsQuotes},
		{"disabled:\n  - &x a/b\n  - *x\n", "2: disabled: anchors (& and *) cannot be used; " + needsQuotes + "\n3: disabled: anchors (& and *) cannot be used; " + needsQuotes},
		{"aliases: &x\n  fast: *x\n", "1: aliases: anchors (& and *) cannot be used; " + needsQuotes},
		{"disabled: [!!str a/b]\n", "1: disabled: tags such as !!str cannot be used"},
		{"disabled: []\n---\ndisabled: []\n", "2: a second document begins: put everything into one"},
		{"disabled: []\n\n# caf\xe9\n", "3: is not text: there is a character that no editor writes"},
		{"disabled: [a\x00]\n", "1: is not text: there is a character that no editor writes"},

		// Not the form of the file.
		{"fast\n", "1: the file: must consist of lines such as name: value"},
		{"- a\n", "1: the file: must consist of lines such as name: value"},
		{"alias:\n  fast: a/b\n", "1: alias: is unknown; there is aliases, disabled, providers"},
		{"provider: {}\n", "1: provider: is unknown; did you mean providers?"},
		{"models: {}\n", "1: models: is unknown; there is aliases, disabled, providers"},
		{"[a]: b\n", "1: the file: there must be a name here"},
		{"<<: {disabled: [a]}\n", "1: <<: is unknown; there is aliases, disabled, providers"},
		{"disabled: [a]\naliases: {}\ndisabled: [b]\n", "3: disabled: is there twice, first in line 1"},
		{"aliases: [a, b]\n", "1: aliases: must consist of lines such as name: value"},
		{"aliases: fast\n", "1: aliases: must consist of lines such as name: value"},

		// Aliases.
		{"aliases:\n  fast:\n", "2: aliases.fast: has no target: name the model, or a list of models, that it stands for"},
		{"aliases:\n  fast: []\n", "2: aliases.fast: has no target: name the model, or a list of models, that it stands for"},
		{"aliases:\n  fast: ''\n", `2: aliases.fast: "" is not the name of a model`},
		{"aliases:\n  fast: openai/\n", `2: aliases.fast: "openai/" is not the name of a model`},
		{"aliases:\n  fast:\n    - a/b\n    -\n", "4: aliases.fast: there must be a name here"},
		{"aliases:\n  fast: [[a]]\n", "2: aliases.fast: there must be a name here"},
		{"aliases:\n  fast: gpt\n  fast: o1\n", "3: aliases.fast: is there twice, first in line 2"},
		{"aliases:\n  fast: gpt\n  Fast:Latest: o1\n", "3: aliases.Fast:Latest: is the same as fast in line 2: neither the case nor :latest makes a difference"},
		{"aliases:\n  very fast: gpt\n", "2: aliases.very fast: a name has no spaces"},
		{"aliases:\n  '': gpt\n", "2: aliases.: a name has from 1 to 128 bytes"},
		{"aliases:\n  " + strings.Repeat("x", 129) + ": gpt\n", "2: aliases." + strings.Repeat("x", 129) + ": a name has from 1 to 128 bytes"},
		{"aliases:\n  fast: FAST\n", "2: aliases.fast: stands for itself; write the model as provider/model"},
		{"aliases:\n  fast: fast:latest\n", "2: aliases.fast: stands for itself; write the model as provider/model"},
		{"aliases:\n  a: [x, b]\n  b: a\n", "2: aliases.a: b is an alias, too (line 3): name its models instead\n3: aliases.b: a is an alias, too (line 2): name its models instead"},
		{"aliases:\n  a: [gpt, o1, gpt]\n", "2: aliases.a: gpt is there twice"},
		{"aliases:\n  a: {targets: x, balance: random}\n", "2: aliases.a.balance: must be order, weights, least-busy or fastest"},
		{"aliases:\n  a: {targets: x, fallback: no, retries: 2}\n", "2: aliases.a.fallback: must be true or false\n2: aliases.a.retries: must be 0 or 1"},
		{"aliases:\n  a:\n    targets: x\n    balanse: order\n", "4: aliases.a.balanse: is unknown; did you mean balance?"},
		{"aliases:\n  a: {balance: order}\n", "2: aliases.a: has no target: name the model, or a list of models, that it stands for"},
		{"aliases:\n  a: {targets: [], retries: 0}\n", "2: aliases.a: has no target: name the model, or a list of models, that it stands for"},
		{"aliases:\n  a: {targets: [a/b, a/b]}\n", "2: aliases.a: a/b is there twice"},
		{"aliases:\n  a:\n    - weight: 1\n", "3: aliases.a: a target needs a model"},
		{"aliases:\n  a:\n    - model: x\n      weight: 0\n", "4: aliases.a.weight: must be a whole number from 1 to 1000000"},
		{"aliases:\n  a:\n    - model: x\n      weight: -1\n    - {model: y, weight: 1.5}\n", "4: aliases.a.weight: must be a whole number from 1 to 1000000\n5: aliases.a.weight: must be a whole number from 1 to 1000000"},
		{"aliases:\n  a:\n    - {model: x, weight: }\n", "3: aliases.a.weight: must be a whole number from 1 to 1000000"},
		{"aliases:\n  a:\n    - {model: x, weigth: 2}\n", "3: aliases.a.weigth: is unknown; did you mean weight?"},
		{"aliases:\n  a:\n    - {model: [x]}\n", "3: aliases.a.model: there must be a name here"},
		{"aliases:\n  a:\n    - {model: x, model: y}\n", "3: aliases.a.model: is there twice, first in line 3"},

		// Patterns.
		{"disabled: {a: b}\n", "1: disabled: there must be a name here"},
		{"disabled: ['a[b', '']\n", `1: disabled: the pattern "a[b" has a [ without a ]` + "\n" + `1: disabled: the pattern "" is empty`},
		{"providers:\n  openai:\n    allow: ['x\\']\n", `3: providers.openai.allow: the pattern "x\\" ends with a \`},
		{"providers:\n  openai:\n    deny: ['[z-a]']\n", `3: providers.openai.deny: the pattern "[z-a]" has a [...] that is no set of letters such as [a-c]`},
		{"providers:\n  openai:\n    allow: []\n", `3: providers.openai.allow: is empty: leave it out to allow all models, or deny: "*"`},
		{"providers:\n  openai:\n    allow:\n    deny:\n", `3: providers.openai.allow: is empty: leave it out to allow all models, or deny: "*"`},
		{"providers:\n  openai:\n    only: [x]\n", "3: providers.openai.only: is unknown; there is allow, deny"},
		{"providers:\n  openai: [x]\n", "2: providers.openai: must consist of lines such as name: value"},
		{"providers: openai\n", "1: providers: must consist of lines such as name: value"},

		// Several.
		{"x: 1\naliases:\n  a: a\n  b: []\ndisabled: ['[']\n", "1: x: is unknown; there is aliases, disabled, providers\n" +
			"3: aliases.a: stands for itself; write the model as provider/model\n" +
			"4: aliases.b: has no target: name the model, or a list of models, that it stands for\n" +
			`5: disabled: the pattern "[" has a [ without a ]`},
	} {
		_, _, problems := parseRules("r.yaml", []byte(tt.text), someProviders)
		got := strings.ReplaceAll(strings.Join(problems, "\n"), "r.yaml:", "")
		if got != tt.want {
			t.Errorf("%q\ngot\n%s\nwant\n%s", tt.text, got, tt.want)
		}
	}
}

func TestDoubtfulRules(t *testing.T) {
	t.Parallel()
	const text = `aliases:
  a: opneai/gpt
  b: [meta/llama, idle/x, bare]
providers:
  grok: {deny: x}
  gpu1:
    allow: [gpu1/llama*, "*"]
`
	_, warnings, problems := parseRules("r.yaml", []byte(text), someProviders)
	want := []string{
		"r.yaml:2: aliases.a: opneai/gpt: no provider opneai is configured; did you mean openai?",
		"r.yaml:3: aliases.b: meta/llama: no provider meta is configured; this is fine if it is defined at run time",
		"r.yaml:3: aliases.b: the provider of idle/x is not active here",
		"r.yaml:5: providers.grok: no such provider is configured; did you mean groq?",
		"r.yaml:7: providers.gpu1.allow: gpu1/llama* begins with the provider, which is not part of its models' names",
	}
	if !slices.Equal(warnings, want) || problems != nil {
		t.Errorf("got\n%s\nwant\n%s\nproblems %q", strings.Join(warnings, "\n"), strings.Join(want, "\n"), problems)
	}
}

func TestGoodRules(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "{}", "aliases:\nproviders:\ndisabled:\n", "\ufeff# nothing\n"} {
		rules, warnings, problems := parseRules("r.yaml", []byte(text), someProviders)
		if !reflect.DeepEqual(rules, catalog.Rules{}) || warnings != nil || problems != nil {
			t.Errorf("%q: got %+v, %q, %q", text, rules, warnings, problems)
		}
	}
	rules, warnings, problems := parseRules("r.yaml", []byte("aliases: {1.5: 07, yes: openai/on}\ndisabled: x\nproviders: {openai: , groq: {allow: a}}\n"), someProviders)
	want := catalog.Rules{
		Aliases:   []catalog.Alias{{Name: "1.5", Targets: []catalog.AliasTarget{{Model: "07"}}}, {Name: "yes", Targets: []catalog.AliasTarget{{Model: "openai/on"}}}},
		Disabled:  []string{"x"},
		Providers: map[string]catalog.Filter{"openai": {}, "groq": {Allow: []string{"a"}}},
	}
	if !reflect.DeepEqual(rules, want) || warnings != nil || problems != nil {
		t.Errorf("got %+v, %q, %q, want %+v", rules, warnings, problems, want)
	}
}

func TestWaysOfAliases(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]catalog.Way{
		"aliases: {a: {model: x}}":   {},
		"aliases: {a: {targets: x}}": {},
		"aliases: {a: {targets: [x, {model: y, weight: 2}], balance: order}}": {Balance: "order"},
		"aliases: {a: {balance: fastest, targets: {model: x}}}":               {Balance: "fastest"},
		"aliases: {a: {targets: x, balance: weights, fallback: true}}":        {Balance: "weights"},
		"aliases: {a: {targets: [x], fallback: false, retries: 0}}":           {Stay: true, Once: true},
		"aliases: {a: {targets: [x], fallback: \"false\", retries: 1}}":       {Stay: true},
	} {
		rules, warnings, problems := parseRules("r.yaml", []byte(text), someProviders)
		if problems != nil || warnings != nil || len(rules.Aliases) != 1 || rules.Aliases[0].Way != want || len(rules.Aliases[0].Targets) == 0 {
			t.Errorf("%s: got %+v, %q, %q want %+v", text, rules, warnings, problems, want)
		}
	}
}

// What the example shows is valid, and is all that there is.
func TestRulesExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("allama.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules, warnings, problems := parseRules("allama.example.yaml", text, someProviders)
	want := catalog.Rules{
		Aliases: []catalog.Alias{
			{Name: "fast", Targets: []catalog.AliasTarget{{Model: "openai/gpt-5-mini"}}},
			{Name: "smart", Targets: []catalog.AliasTarget{{Model: "anthropic/claude-opus-5"}, {Model: "openai/gpt-5"}}},
			{Name: "shared", Targets: []catalog.AliasTarget{{Model: "gpu1/llama3.2", Weight: 3}, {Model: "gpu2/llama3.2", Weight: 1}, {Model: "openai/gpt-5-mini"}}},
			{Name: "steady", Targets: []catalog.AliasTarget{{Model: "gpu1/llama3.2"}, {Model: "gpu2/llama3.2"}, {Model: "openai/gpt-5-mini"}}, Way: catalog.Way{Balance: "least-busy"}},
		},
		Disabled:  []string{"openai/gpt-3.5-turbo", "groq/*-preview"},
		Providers: map[string]catalog.Filter{"openai": {Allow: []string{"gpt-*", "o?-*"}, Deny: []string{"*-realtime*"}}},
	}
	if !reflect.DeepEqual(rules, want) || warnings != nil || problems != nil {
		t.Errorf("got %+v, %q, %q", rules, warnings, problems)
	}
	// The keys that the reader knows are those of its hints.
	var source []byte
	for _, file := range []string{"rules_read.go", "rules_way.go"} {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, part...)
	}
	keys := regexp.MustCompile(`case "(\w+)":`).FindAllSubmatch(source, -1)
	if len(keys) != 11 {
		t.Errorf("found %d keys in the reader, want 11", len(keys))
	}
	for _, key := range keys {
		if !regexp.MustCompile(`(?m)^[ -]*` + string(key[1]) + ":").Match(text) {
			t.Errorf("the example says nothing of %s", key[1])
		}
	}
}

func FuzzRules(f *testing.F) {
	text, err := os.ReadFile("allama.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("aliases: {a: [{model: b, weight: 1}]}"))
	f.Add([]byte("? [a]\n: &b *b"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		rules, _, problems := parseRules("f", text, someProviders)
		if problems == nil {
			catalog.NewIndex(catalog.Snapshot{Rules: &rules}).Review()
		}
	})
}
