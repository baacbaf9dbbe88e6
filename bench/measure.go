package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A sample is one run of a scenario against one server.
type sample struct {
	Scenario string        `json:"scenario"`
	Server   string        `json:"server"`
	Round    int           `json:"round"`
	Calls    int           `json:"calls"`
	Rate     float64       `json:"calls_per_second"`
	CPU      float64       `json:"cpu_us"` // per chunk of a stream, otherwise per call
	P50      time.Duration `json:"p50_ns"` // of whole calls
	P99      time.Duration `json:"p99_ns"`
	First    time.Duration `json:"first_p50_ns"` // byte of an answer
	Peak     int64         `json:"peak_bytes"`   // of memory
}

// A bench is what runs during a measurement.
type bench struct {
	options
	dir      string
	upstream *server
	servers  []*server // the proxy first
	log      io.Writer
}

// open starts the upstream, and makes a place for files. The bench is to be
// closed, even where that fails.
func open(ctx context.Context, o options, log io.Writer) (b *bench, err error) {
	b = &bench{options: o, log: log}
	if b.dir, err = os.MkdirTemp("", "allama-bench-"); err != nil {
		return b, err
	}
	self, err := os.Executable()
	if err == nil && b.allama != "" {
		b.allama, err = filepath.Abs(b.allama)
	}
	if err != nil {
		return b, err
	}
	if b.upstream, err = b.helper(self, "upstream"); err == nil {
		err = b.upstream.waitFor(ctx, "/v1/models")
	}
	return b, err
}

// close ends what runs, and removes what it has left.
func (b *bench) close() error {
	for _, s := range append(b.servers, b.upstream) {
		if s != nil {
			s.stop()
		}
	}
	return os.RemoveAll(b.dir)
}

// measure runs all scenarios in all rounds.
func (b *bench) measure(ctx context.Context) (samples []sample, err error) {
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	for _, s := range scenarios {
		if !b.only.MatchString(s.name) {
			continue
		}
		some, err := b.scenario(ctx, s.withDefaults())
		if err != nil {
			return nil, err
		}
		samples = append(samples, some...)
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("no scenario is called like %v", b.only)
	}
	return samples, nil
}

// start starts what is measured, and waits until it serves.
func (b *bench) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	proxy, err := b.helper(self, "proxy", b.upstream.url)
	b.servers = append(b.servers, proxy)
	if err == nil {
		err = proxy.waitFor(ctx, "/v1/models")
	}
	if err != nil || b.allama == "" {
		return err
	}
	sizes := map[string]size{"allama": {}}
	if b.split {
		sizes["split"] = size{workers: 1}
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		s, err := b.startAllama(ctx, sizes[name])
		s.name = name
		b.servers = append(b.servers, s)
		if err != nil {
			return err
		}
	}
	return nil
}

// helper runs a part of this command as a process.
func (b *bench) helper(self, part string, args ...string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{name: part, url: "http://" + address}
	if part == "upstream" {
		args = append(args, "-") // so that it has as many as the proxy
	}
	return s, s.start(self, append([]string{part, address}, args...), b.dir)
}

// startAllama runs allama. It returns what has started, even where that fails.
func (b *bench) startAllama(ctx context.Context, z size) (*server, error) {
	s := &server{name: "allama"}
	address, err := freeAddress()
	if err != nil {
		return s, err
	}
	nats, err := freeAddress()
	if err != nil {
		return s, err
	}
	s.url = "http://" + address
	for _, command := range z.commands() {
		dir, err := os.MkdirTemp(b.dir, command+"-")
		if err != nil {
			return s, err
		}
		env := append(z.env(b.upstream.url),
			"PORT="+address[strings.LastIndexByte(address, ':')+1:], "ALLAMA_LOG_LEVEL=warn", "OLLAMA_PARALLEL=256",
			"OPENAI_HOST="+b.upstream.url+"/v1", "OPENAI_API_KEY=bench", "OLLAMA_HOST="+b.upstream.url,
			"ANTHROPIC_HOST="+b.upstream.url, "ANTHROPIC_API_KEY=bench",
		)
		switch {
		case command == "broker":
			env = append(env, "ALLAMA_NATS_LISTEN="+nats)
		case command != "serve":
			env = append(env, "NATS_URL=nats://"+nats)
		}
		if err := s.start(b.allama, []string{command}, dir, env...); err != nil {
			return s, err
		}
	}
	for _, path := range []string{"/readyz", "/v1/models/openai%2Fbench", "/v1/models/anthropic%2Fbench", "/v1/models/ollama%2Fbench"} {
		if err := s.waitFor(ctx, path); err != nil {
			return s, err
		}
	}
	return s, nil
}

// scenario runs one scenario, in each round against each server.
func (b *bench) scenario(ctx context.Context, s scenario) (samples []sample, err error) {
	if err := b.pace(s, 0); err != nil {
		return nil, err
	}
	for round := range b.rounds {
		for i, server := range b.servers {
			load := s
			if i == 0 && s.foreign { // as the upstream would be called by a client of its own
				load.dialect, _, _ = strings.Cut(s.model, "/")
			}
			model := s.model
			if i == 0 {
				model = "bench"
			}
			one, err := b.sample(ctx, load, server, model)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", server.name, err)
			}
			one.Round = round + 1
			samples = append(samples, one)
			_, _ = fmt.Fprintf(b.log, "%-16s %-8s %8.0f calls/s %8.1f µs\n", s.name, server.name, one.Rate, one.CPU) // progress only
		}
	}
	return samples, nil
}

// sample makes one run, after a short one that is not counted.
func (b *bench) sample(ctx context.Context, s scenario, to *server, model string) (sample, error) {
	if !s.once {
		if _, err := newCaller(s, to.url, model).run(ctx, b.length/6); err != nil {
			return sample{}, err
		}
	}
	to.forget()
	before, err := to.cpu()
	if err != nil {
		return sample{}, err
	}
	began := time.Now()
	did, err := newCaller(s, to.url, model).run(ctx, b.length)
	took := time.Since(began)
	if err != nil {
		return sample{}, err
	}
	after, err := to.cpu()
	if err != nil {
		return sample{}, err
	}
	peak, err := to.memory("VmHWM")
	if err != nil {
		return sample{}, err
	}
	return sample{
		Scenario: s.name, Server: to.name, Calls: did.calls, Rate: float64(did.calls) / took.Seconds(),
		CPU: float64((after - before).Nanoseconds()) / 1000 / float64(did.calls*max(1, s.chunks)),
		P50: quantile(did.delays, 0.5), P99: quantile(did.delays, 0.99), First: quantile(did.firsts, 0.5), Peak: peak,
	}, nil
}

// quantile returns the smallest value that a part of all is not above.
func quantile(all []time.Duration, part float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(part*float64(len(all))))]
}
