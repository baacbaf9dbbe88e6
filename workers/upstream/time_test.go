package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/llm"
)

// piped returns a client in fake time whose connections lead to serve, which
// is called after the request was read.
func piped(timeouts Timeouts, serve func(net.Conn)) *Client {
	c := New(Options{
		Base: &url.URL{Scheme: "http", Host: "upstream.test"}, Dialect: openai.Client{}, Timeouts: timeouts,
	})
	transport := c.http
	transport.Proxy = nil
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			if q, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
				q.Body.Close()
				serve(theirs)
			}
		}()
		return ours, nil
	}
	return c
}

// hang waits until the other side has gone.
func hang(c net.Conn) { c.Read(make([]byte, 1)) }

// ask makes a call and ranges over its answer.
func ask(c *Client, stream bool) error {
	answer, err := c.Forward(context.Background(), &Call{
		Operation: "chat/completions", Body: []byte("{}"), Stream: stream, Wait: func(time.Duration) error { return nil },
	})
	if err != nil {
		return err
	}
	for _, err := range answer.Pieces {
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	headSSE  = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	headJSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
	chunk    = `data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}` + "\n\n"
)

func TestASilentUpstreamIsGivenUp(t *testing.T) {
	tests := []struct {
		name     string
		timeouts Timeouts
		stream   bool
		serve    func(net.Conn)
		want     time.Duration
	}{
		{"before the head of a stream", Timeouts{}, true, hang, 120 * time.Second},
		{"before the head of a whole answer", Timeouts{}, false, hang, 600 * time.Second},
		{"as the operator says", Timeouts{}.Silence(time.Second), false, hang, time.Second},
		{"before the first byte", Timeouts{FirstStream: 300 * time.Second}, true, func(c net.Conn) {
			fmt.Fprint(c, headSSE)
			hang(c)
		}, 300 * time.Second},
		{"inside an answer", Timeouts{FirstStream: 300 * time.Second}, true, func(c net.Conn) {
			fmt.Fprint(c, headSSE, chunk)
			hang(c)
		}, 120 * time.Second},
		{"inside a whole answer", Timeouts{}, false, func(c net.Conn) {
			fmt.Fprint(c, headJSON, "{")
			hang(c)
		}, 120 * time.Second},
		{"though it says that it is alive", Timeouts{}, true, func(c net.Conn) {
			fmt.Fprint(c, headSSE, chunk)
			for range 100 {
				time.Sleep(10 * time.Second)
				if _, err := fmt.Fprint(c, ": alive\n\n"); err != nil {
					return
				}
			}
		}, 300 * time.Second},
		{"though a byte comes now and then", Timeouts{}, true, func(c net.Conn) {
			fmt.Fprint(c, headSSE, "data:")
			for range 100 {
				time.Sleep(10 * time.Second)
				if _, err := fmt.Fprint(c, " "); err != nil {
					return
				}
			}
		}, 300 * time.Second},
		{"not while it speaks", Timeouts{}, true, func(c net.Conn) {
			fmt.Fprint(c, headSSE)
			for range 10 {
				time.Sleep(119 * time.Second)
				fmt.Fprint(c, chunk)
			}
			hang(c)
		}, 10*119*time.Second + 120*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(tt.timeouts, tt.serve)
				defer c.Close()
				began := time.Now()
				err := ask(c, tt.stream)
				if e := llm.AsError(err); e == nil || e.Code != llm.CodeTimeout {
					t.Errorf("error is %v want a timeout", err)
				}
				if got := time.Since(began); got != tt.want {
					t.Errorf("it took %v want %v", got, tt.want)
				}
				time.Sleep(10 * time.Second) // so that the upstream notices
			})
		})
	}
}

func TestAnErrorThatDripsIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(Timeouts{}, func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 429 Slow\r\nContent-Type: application/json\r\nRetry-After: 3\r\n\r\n")
			for {
				if _, err := fmt.Fprint(c, " "); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		defer c.Close()
		began := time.Now()
		e, ok := errors.AsType[*llm.Error](ask(c, true))
		if !ok || e.Code != llm.CodeRateLimited || e.RetryAfter != 3*time.Second {
			t.Errorf("error is %+v want that of a rate limit", e)
		}
		if got := time.Since(began); got != errorTimeout {
			t.Errorf("it took %v want %v", got, errorTimeout)
		}
		time.Sleep(2 * time.Second) // so that the upstream notices
	})
}

func TestAnAnswerDoesNotWaitForWhatFollowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(Timeouts{}, func(c net.Conn) {
			fmt.Fprint(c, headSSE, chunk, "data: [DONE]\n\n")
			hang(c)
		})
		defer c.Close()
		began := time.Now()
		if err := ask(c, true); err != nil {
			t.Errorf("error is %v want none", err)
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("it took %v", got)
		}
		time.Sleep(2 * drainTimeout) // by then the connection is given up
	})
}

func TestTheCallersCauseComesBack(t *testing.T) {
	left := errors.New("the caller left")
	tests := []struct {
		name  string
		serve func(net.Conn)
	}{
		{"before the head", hang},
		{"inside the answer", func(c net.Conn) { fmt.Fprint(c, headSSE, chunk); hang(c) }},
		{"inside an error", func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 500 No\r\n\r\n"); hang(c) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(Timeouts{}, tt.serve)
				defer c.Close()
				ctx, leave := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { leave(left) })
				stream, _, err := c.Answer(ctx, &llm.Request{Model: "m", Stream: true}, func(time.Duration) error { return nil })
				if err == nil {
					for _, err = range stream {
					}
				}
				if !errors.Is(err, left) {
					t.Errorf("error is %v want the caller's cause", err)
				}
			})
		})
	}
}

func TestAnErrorOfWaitEndsTheCall(t *testing.T) {
	enough := errors.New("enough")
	for n := range 3 {
		t.Run(fmt.Sprintf("wait %d", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(Timeouts{}, func(c net.Conn) { fmt.Fprint(c, headSSE, chunk); hang(c) })
				defer c.Close()
				waits := 0
				stream, _, err := c.Answer(t.Context(), &llm.Request{Model: "m", Stream: true}, func(time.Duration) error {
					waits++
					if waits > n {
						return enough
					}
					return nil
				})
				if err == nil {
					for _, err = range stream {
					}
				}
				if !errors.Is(err, enough) || waits != n+1 {
					t.Errorf("after %d waits: %v", waits, err)
				}
			})
		})
	}
}
