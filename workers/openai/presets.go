package openai

import (
	"net/url"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
)

// A Vendor is a well-known maker of such an API.
type Vendor struct {
	Name string // in configuration
	Host string // where the API is; empty: only its operator knows
}

// A preset is what is known of a vendor's API.
type preset struct {
	Vendor
	path       string   // of the API, where a host is given without one
	domains    []string // at which the vendor is known, and below; where there is a Host, that too
	exact      bool     // it takes all that clients of OpenAI's say, or says what is wrong as OpenAI does
	keyHeader  string   // takes the key; empty: Authorization does
	dialect    openai.Client
	operations []string // that are passed on as they are, in the form of [catalog.Provider.Takes]
	models     []string // of a vendor that lists none
}

// The operations.
const (
	chat        = "openai/chat/completions"
	completions = "openai/completions"
	embeddings  = "openai/embeddings"
	responses   = "responses/responses"

	transcriptions = "openai/audio/transcriptions"
	translations   = "openai/audio/translations"
	speech         = "openai/audio/speech"
	images         = "openai/images/generations"
	edits          = "openai/images/edits"
)

// media are the operations that only servers of such models have. What an
// operator runs may be one: there is no way to tell.
var media = []string{transcriptions, translations, speech, images, edits}

// Fields that some models refuse.
const (
	effort   = "reasoning_effort"
	parallel = "parallel_tool_calls"
	forced   = "tool_choice" // that forces a call
)

// How much of tool_choice a vendor knows.
const (
	byWord = "word"
	byName = "function"
)

// unsampled are the fields that OpenAI's models refuse while they think.
var unsampled = []string{"temperature", "top_p", "frequency_penalty", "presence_penalty", "logprobs", "stop"}

// plainEfforts are those that all of OpenAI's models that think were given
// first.
var plainEfforts = []string{"low", "medium", "high"}

// ofOpenAI is the dialect of OpenAI's own models, which have left fields behind
// that most other servers only know by their old names.
var ofOpenAI = openai.Client{
	MaxTokensField: "max_completion_tokens", UserField: "safety_identifier", ReasoningField: "none", DeveloperRole: true,
	PackedVectors: true,
	Efforts: []openai.Efforts{
		{Models: "o1", Words: plainEfforts}, {Models: "o3", Words: plainEfforts}, {Models: "o4", Words: plainEfforts},
		{Models: "gpt-5-chat"}, {Models: "gpt-5.*-chat"}, // they take none
		{Models: "gpt-5-pro", Words: []string{"high"}},
		{Models: "gpt-5.*-pro", Words: []string{"medium", "high", "xhigh"}},
		{Models: "gpt-5-codex", Words: plainEfforts},
		{Models: "gpt-5.1-codex-max", Words: []string{"low", "medium", "high", "xhigh"}},
		{Models: "gpt-5.1-codex", Words: plainEfforts},
		{Models: "gpt-5.1", Words: []string{"none", "low", "medium", "high"}},
		{Models: "gpt-5.2", Words: []string{"none", "low", "medium", "high", "xhigh"}},
		{Models: "gpt-5.", Words: []string{"none", "low", "medium", "high", "xhigh", "max"}},
		{Models: "gpt-5", Words: []string{"minimal", "low", "medium", "high"}},
	},
	Refused: []openai.Refusal{
		{Models: "gpt-3", Fields: []string{effort}}, // these do not think
		{Models: "gpt-4", Fields: []string{effort}},
		{Models: "chatgpt-", Fields: []string{effort}},
		{Models: "gpt-5-chat", Fields: []string{effort}},                         // it does not think
		{Models: "gpt-5.*-chat", Fields: append([]string{effort}, unsampled...)}, // as much as it sees fit
		{Models: "gpt-5.", Thinking: true, Fields: unsampled},
		{Models: "gpt-5", Fields: unsampled},
		{Models: "o1", Fields: append([]string{parallel}, unsampled...)},
		{Models: "o3", Fields: append([]string{parallel}, unsampled...)},
		{Models: "o4", Fields: append([]string{parallel}, unsampled...)},
	},
}

// samplers are the fields that servers of open models take besides OpenAI's.
var samplers = []string{"top_k", "min_p", "repetition_penalty"}

// generic is what is assumed of a server of which nothing is known.
var generic = preset{path: "/v1", dialect: openai.Client{ToolChoice: byName}, operations: slices.Concat([]string{chat, completions, embeddings}, media)}

// presets are the vendors.
var presets = []preset{
	{
		Vendor: Vendor{"openai", "https://api.openai.com"}, path: "/v1", exact: true, dialect: ofOpenAI,
		operations: slices.Concat([]string{chat, completions, embeddings, responses}, media),
	},
	{
		Vendor: Vendor{Name: "azure"}, path: "/openai/v1", exact: true, keyHeader: "Api-Key", dialect: ofOpenAI,
		domains:    []string{"openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"},
		operations: slices.Concat([]string{chat, completions, embeddings, responses}, media),
	},
	{
		Vendor: Vendor{"groq", "https://api.groq.com"}, path: "/openai/v1", operations: []string{chat, transcriptions, translations, speech},
		dialect: openai.Client{
			MaxTokensField: "max_completion_tokens", ReasoningField: "reasoning", ToolChoice: byName,
			Refused: []openai.Refusal{{Fields: []string{"logprobs"}}},
		},
	},
	{
		// It refuses every field that it does not know.
		Vendor: Vendor{"mistral", "https://api.mistral.ai"}, path: "/v1", operations: []string{chat, embeddings, transcriptions},
		dialect: openai.Client{
			ReasoningField: "none", NoStreamOptions: true, ToolChoice: byName,
			Refused: []openai.Refusal{{Fields: []string{"user", "seed", "logprobs"}}},
		},
	},
	{
		Vendor: Vendor{"deepseek", "https://api.deepseek.com"}, path: "/v1", operations: []string{chat},
		dialect: openai.Client{NoSchemas: true, ThinkingSwitch: true, ToolChoice: byName, Refused: []openai.Refusal{
			{Models: "deepseek-chat"}, // it does not think
			{Models: "deepseek-reasoner", Fields: []string{"logprobs", forced}},
			{Thinking: true, Fields: []string{forced}},
		}},
	},
	{
		Vendor: Vendor{"xai", "https://api.x.ai"}, path: "/v1", operations: []string{chat, completions, responses, images},
		dialect: openai.Client{MaxTokensField: "max_completion_tokens", ToolChoice: byName, Refused: []openai.Refusal{
			{Models: "grok-3-mini", Fields: []string{"frequency_penalty", "presence_penalty", "stop"}},
			{Models: "grok-3"},
			{Models: "grok-2"},
			{Models: "grok-4.", Fields: []string{"frequency_penalty", "presence_penalty", "stop"}},
			{Models: "grok-4", Fields: []string{"frequency_penalty", "presence_penalty", "stop", effort}},
			{Models: "grok-code", Fields: []string{"frequency_penalty", "presence_penalty", "stop", effort}},
			{Fields: []string{"frequency_penalty", "presence_penalty", "stop"}}, // all later ones think
		}},
	},
	{
		Vendor: Vendor{"openrouter", "https://openrouter.ai"}, path: "/api/v1", exact: true,
		dialect:    openai.Client{ReasoningField: "reasoning_details", ToolChoice: byName, Samplers: samplers},
		operations: []string{chat, completions, embeddings, responses},
	},
	{
		Vendor: Vendor{"together", "https://api.together.xyz"}, path: "/v1",
		dialect:    openai.Client{ReasoningField: "reasoning", ToolChoice: byName, Samplers: samplers},
		operations: []string{chat, completions, embeddings, transcriptions, translations, speech, images},
	},
	{
		Vendor: Vendor{"fireworks", "https://api.fireworks.ai"}, path: "/inference/v1",
		dialect:    openai.Client{ToolChoice: byName, Samplers: samplers},
		operations: []string{chat, completions, embeddings},
	},
	{
		Vendor: Vendor{"cerebras", "https://api.cerebras.ai"}, path: "/v1", operations: []string{chat, completions},
		dialect: openai.Client{
			MaxTokensField: "max_completion_tokens", ReasoningField: "reasoning", ToolChoice: byName,
			Refused: []openai.Refusal{{Fields: []string{"frequency_penalty", "presence_penalty"}}},
		},
	},
	{
		Vendor: Vendor{"perplexity", "https://api.perplexity.ai"}, path: "/", operations: []string{chat},
		dialect: openai.Client{ReasoningField: "none", NoStreamOptions: true, NoTools: true},
		models:  []string{"sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"},
	},
	{
		Vendor: Vendor{"gemini", "https://generativelanguage.googleapis.com"}, path: "/v1beta/openai",
		operations: []string{chat, embeddings, images}, dialect: openai.Client{ReasoningField: "none", ToolChoice: byName},
	},
	{
		Vendor: Vendor{"vllm", "http://127.0.0.1:8000"}, path: "/v1", dialect: openai.Client{ToolChoice: byName, Samplers: samplers},
		operations: slices.Concat([]string{chat, completions, embeddings}, media),
	},
	{
		Vendor: Vendor{"llamacpp", "http://127.0.0.1:8080"}, path: "/v1",
		dialect:    openai.Client{ToolChoice: byWord, Samplers: []string{"top_k", "min_p", "repeat_penalty"}},
		operations: []string{chat, completions, embeddings, transcriptions},
	},
	{
		Vendor: Vendor{"lmstudio", "http://127.0.0.1:1234"}, path: "/v1",
		dialect:    openai.Client{ToolChoice: byWord, Samplers: []string{"top_k", "min_p", "repeat_penalty"}},
		operations: []string{chat, completions, embeddings, responses},
	},
}

// Vendors lists the vendors whose ways are known.
func Vendors() []Vendor {
	vendors := make([]Vendor, len(presets))
	for i, p := range presets {
		vendors[i] = p.Vendor
	}
	return vendors
}

// named returns the preset of a vendor.
func named(vendor string) (preset, bool) {
	i := slices.IndexFunc(presets, func(p preset) bool { return p.Name == vendor })
	if i < 0 {
		return generic, false
	}
	return presets[i], true
}

// known returns the preset of the vendor that is at a host; of addresses of
// this machine none is known.
func known(host *url.URL) preset {
	for _, p := range presets {
		if slices.ContainsFunc(p.hosts(), func(domain string) bool {
			return host.Hostname() == domain || strings.HasSuffix(host.Hostname(), "."+domain)
		}) {
			return p
		}
	}
	return generic
}

// hosts are the names at which the vendor is found.
func (p preset) hosts() []string {
	name, remote := strings.CutPrefix(p.Host, "https://")
	if !remote {
		return p.domains
	}
	return append([]string{name}, p.domains...)
}
