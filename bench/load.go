package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A load is what one run has done.
type load struct {
	calls  int
	delays []time.Duration // of calls, from when they were to begin to their end
	firsts []time.Duration // of streams, to their first byte
}

// A caller makes the calls of a scenario to one server.
type caller struct {
	scenario
	wire   wire
	url    string
	body   string
	client *http.Client

	mu  sync.Mutex
	did load
}

func newCaller(s scenario, base, model string) *caller {
	w := wires[s.dialect]
	return &caller{
		scenario: s, wire: w, url: base + w.path, body: w.request(model, s.chunks > 0, s.image),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: s.conns, DisableCompression: true}},
	}
}

// run makes calls for as long as told, and returns once all have ended. The
// first that fails ends the run.
func (c *caller) run(ctx context.Context, length time.Duration) (load, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer c.client.CloseIdleConnections()
	began := time.Now()
	var next atomic.Int64
	var callers sync.WaitGroup
	for range c.conns {
		callers.Go(func() {
			for due := began; ctx.Err() == nil; {
				if c.rate > 0 {
					due = began.Add(time.Duration(float64(next.Add(1)-1) / c.rate * float64(time.Second)))
				} else {
					due = time.Now()
				}
				if due.Sub(began) >= length {
					return
				}
				time.Sleep(time.Until(due))
				if err := c.call(ctx, due); err != nil {
					cancel(err)
				}
				if c.once {
					return
				}
			}
		})
	}
	callers.Wait()
	return c.did, context.Cause(ctx)
}

// call makes one call and checks the answer.
func (c *caller) call(ctx context.Context, due time.Time) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(c.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("anthropic-version", "2023-06-01")
	response, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	var answer strings.Builder
	first := make([]byte, 1)
	n, err := io.ReadFull(response.Body, first)
	began := time.Since(due)
	answer.Write(first[:n])
	if err == nil {
		_, err = io.Copy(&answer, response.Body)
	}
	took := time.Since(due)
	switch {
	case err != nil:
		return fmt.Errorf("%s: read the answer: %w", c.name, err)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: status %d: %.300s", c.name, response.StatusCode, answer.String())
	}
	if err := c.wire.check(answer.String(), c.chunks); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.did.calls++
	c.did.delays = append(c.did.delays, took)
	c.did.firsts = append(c.did.firsts, began)
	return nil
}
