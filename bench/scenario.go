package main

import "time"

// A scenario is one load, the same for all that are measured.
type scenario struct {
	name     string
	what     string // for people
	dialect  string // the client's
	model    string // at allama; the proxy gets what is behind the slash
	conns    int
	rate     float64       // calls per second, where they begin whether others have ended or not; 0: each connection begins its next one
	chunks   int           // of a stream; 0: the answer is whole
	interval time.Duration // between chunks
	latency  time.Duration // before the answer
	image    int           // bytes of an image in the request
	once     bool          // one call per connection, however long it takes
	foreign  bool          // the proxy cannot do it: compared with the same call in the upstream's own dialect
}

// scenarios are those of the README's table.
var scenarios = []scenario{
	{name: "small-1", what: "small call, 1 connection", conns: 1},
	{name: "small-16", what: "small call, 16 connections", conns: 16},
	{name: "small-64", what: "small call, 64 connections", conns: 64},
	{name: "small-256", what: "small call, 256 connections", conns: 256},
	{name: "open", what: "200 calls a second, 20 ms each", conns: 256, rate: 200, latency: 20 * time.Millisecond},
	{name: "paced", what: "64 streams, a chunk each 5 ms", conns: 64, chunks: 200, interval: 5 * time.Millisecond},
	{name: "full", what: "8 streams at full speed", conns: 8, chunks: 1000},
	{name: "many", what: "2,000 streams, a chunk each second", conns: 2000, chunks: 10, interval: time.Second, once: true},
	{name: "image", what: "5 MB request, 4 connections", conns: 4, image: 5 << 20},
	{name: "anthropic", what: "small call, Anthropic's dialect", dialect: "anthropic", model: "anthropic/bench", conns: 64},
	{name: "ollama", what: "small call, Ollama's dialect", dialect: "ollama", model: "ollama/bench", conns: 64},
	{name: "openai-anthropic", what: "small call, OpenAI to Anthropic", model: "anthropic/bench", conns: 64, foreign: true},
	{name: "ollama-openai", what: "small call, Ollama to OpenAI", dialect: "ollama", conns: 64, foreign: true},
	{name: "anthropic-openai", what: "small call, Anthropic to OpenAI", dialect: "anthropic", conns: 64, foreign: true},
	{name: "full-translated", what: "8 streams at full speed, OpenAI to Anthropic", model: "anthropic/bench", conns: 8, chunks: 1000, foreign: true},
}

// withDefaults returns the scenario with what goes without saying.
func (s scenario) withDefaults() scenario {
	if s.dialect == "" {
		s.dialect = "openai"
	}
	if s.model == "" {
		s.model = "openai/bench"
	}
	return s
}
