package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A growth asks what becomes of speed and memory as there is more and more of
// something.
type growth struct {
	name  string
	steps []int
	at    func(n int) size
}

// A size is what there is at one step. The zero value is one provider of each
// dialect with one model each, in one process, under the load of small-64.
type size struct {
	load      scenario
	providers int // further ones
	models    int // further ones of each provider
	waiting   int // calls that wait for another provider all the while
	workers   int // processes; 0: all parts are one process
}

var growths = []growth{
	{"providers", []int{1, 10, 50}, func(n int) size { return size{providers: n} }},
	{"models", []int{10, 1000, 10_000}, func(n int) size { return size{models: n} }},
	{"waiting calls", []int{0, 1000, 5000}, func(n int) size { return size{waiting: n} }},
	{"streams", []int{10, 100, 1000, 5000}, func(n int) size {
		return size{load: scenario{name: "streams", conns: n, chunks: 10, interval: time.Second, once: true}}
	}},
	{"connections", []int{1, 16, 64, 256, 1024}, func(n int) size { return size{load: scenario{name: "small", conns: n}} }},
	{"workers", []int{1, 2, 4, 8}, func(n int) size { return size{workers: n} }},
}

// A stage is what was measured at one step.
type stage struct {
	Growth string        `json:"growth"`
	Size   int           `json:"size"`
	Ready  time.Duration `json:"ready_ns"`   // from the start of the processes to the first answer
	Idle   int64         `json:"idle_bytes"` // of memory, soon after that
	sample
}

// grow measures all growths, each step with a program that was just started.
func (b *bench) grow(ctx context.Context) (stages []stage, err error) {
	for _, g := range growths {
		if !b.only.MatchString(g.name) {
			continue
		}
		for _, n := range g.steps {
			s, err := b.stage(ctx, g.at(n))
			if err != nil {
				return nil, fmt.Errorf("%d %s: %w", n, g.name, err)
			}
			s.Growth, s.Size = g.name, n
			stages = append(stages, s)
			_, _ = fmt.Fprintf(b.log, "%-16s %8d %8.1f µs\n", g.name, n, s.CPU) // progress only
		}
	}
	if len(stages) == 0 {
		return nil, fmt.Errorf("no growth is called like %v", b.only)
	}
	return stages, nil
}

func (b *bench) stage(ctx context.Context, z size) (s stage, err error) {
	if z.load.name == "" {
		z.load = scenario{name: "small", conns: 64}
	}
	load := z.load.withDefaults()
	if err := b.pace(load, z.models); err != nil {
		return stage{}, err
	}
	began := time.Now()
	to, err := b.startAllama(ctx, z)
	defer to.stop()
	if err == nil {
		_, err = newCaller(scenario{name: "first", conns: 1, once: true, dialect: load.dialect}, to.url, load.model).run(ctx, time.Minute)
	}
	if err != nil {
		return stage{}, err
	}
	s.Ready = time.Since(began)
	time.Sleep(time.Second)
	if s.Idle, err = to.memory("VmRSS"); err != nil {
		return stage{}, err
	}
	release, err := b.crowd(ctx, to, z.waiting)
	defer release()
	if err != nil {
		return stage{}, err
	}
	var all []sample
	for range b.rounds {
		one, err := b.sample(ctx, load, to, load.model)
		if err != nil {
			return stage{}, err
		}
		all = append(all, one)
	}
	s.sample = medians(all)[0]
	return s, nil
}

// env are the settings that make an allama of the size.
func (z size) env(upstream string) []string {
	env := []string{
		"ALLAMA_QUEUE_DEPTH=" + strconv.Itoa(max(10_000, 2*z.waiting)),
		"SLOW_KIND=openai", "SLOW_HOST=" + upstream + "/slow/v1", "SLOW_API_KEY=bench", "SLOW_MAX_CONCURRENCY=1",
	}
	names := []string{"slow"}
	for i := range z.providers {
		name := "p" + strconv.Itoa(i)
		names = append(names, name)
		prefix := strings.ToUpper(name)
		env = append(env, prefix+"_KIND=openai", prefix+"_HOST="+upstream+"/v1", prefix+"_API_KEY=bench")
	}
	return append(env, "ALLAMA_PROVIDERS="+strings.Join(names, ","))
}

// commands are the processes of an allama of the size.
func (z size) commands() []string {
	if z.workers == 0 {
		return []string{"serve"}
	}
	return slices.Concat([]string{"broker", "sync"}, slices.Repeat([]string{"worker"}, z.workers), []string{"ingress"})
}

// crowd has calls wait for a provider that does not answer, until they are
// released.
func (b *bench) crowd(ctx context.Context, to *server, n int) (release func(), err error) {
	ctx, leave := context.WithCancel(ctx)
	transport := &http.Transport{}
	var waiting sync.WaitGroup
	release = func() {
		leave()
		waiting.Wait()
		transport.CloseIdleConnections()
	}
	w := wires["openai"]
	for range n {
		waiting.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url+w.path, strings.NewReader(w.request("slow/bench", false, 0)))
			if err != nil {
				return
			}
			req.Header.Set("Content-Type", "application/json")
			if response, err := transport.RoundTrip(req); err == nil {
				_ = response.Body.Close() // it has come too early, and is missed below
			}
		})
	}
	for deadline := time.Now().Add(time.Minute); n > 0; {
		switch there, err := waitingAt(ctx, to); {
		case err != nil:
			return release, err
		case there >= n:
			return release, nil
		case time.Now().After(deadline):
			return release, fmt.Errorf("%d of %d calls wait", there, n)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return release, nil
}

// waitingAt is how many calls wait or run at the provider that does not answer.
func waitingAt(ctx context.Context, to *server) (n int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.url+"/api/v1/queue", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	var q struct {
		Providers []struct {
			Name            string
			Waiting         map[string]int
			Queued, Running int
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&q); err != nil {
		return 0, err
	}
	for _, p := range q.Providers {
		if p.Name == "slow" {
			n += p.Queued + p.Running
			for _, waiting := range p.Waiting {
				n += waiting
			}
		}
	}
	return n, nil
}

// pace tells the upstream how to answer, and how many models to have.
func (b *bench) pace(s scenario, models int) error {
	response, err := http.PostForm(b.upstream.url+"/pace", url.Values{
		"latency": {strconv.FormatInt(int64(s.latency), 10)}, "interval": {strconv.FormatInt(int64(s.interval), 10)},
		"chunks": {strconv.Itoa(s.chunks)}, "models": {strconv.Itoa(models)},
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}

// writeGrowth writes each step beside the first one of its growth, with a bar
// for what a call costs.
func writeGrowth(w io.Writer, stages []stage) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(out, strings.Join(cells, "\t")) } // Flush tells of failures
	line("growth", "size", "CPU µs", "× first", "p50 ms", "p99 ms", "ready ms", "idle MB", "peak MB", "CPU")
	var first stage
	for _, s := range stages {
		if s.Growth != first.Growth {
			first = s
		}
		line(s.Growth, strconv.Itoa(s.Size), fmt.Sprintf("%.1f", s.CPU), ratio(s.CPU, first.CPU), millis(s.P50), millis(s.P99),
			strconv.FormatInt(s.Ready.Milliseconds(), 10), strconv.FormatInt(s.Idle>>20, 10), strconv.FormatInt(s.Peak>>20, 10),
			bar(s.CPU/first.CPU))
	}
	return out.Flush()
}

// bar is four characters long for 1.
func bar(n float64) string { return strings.Repeat("▇", min(60, max(1, int(4*n+0.5)))) }
