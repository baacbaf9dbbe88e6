package upstream

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A work may be silent for longer than an answer, but not for ever; how long it
// takes as a whole does not matter.
func TestPatience(t *testing.T) {
	const patience = 10 * time.Minute
	tests := []struct {
		name   string
		pause  time.Duration
		pauses int
		want   llm.Code
		took   time.Duration
	}{
		{"it is at work for hours", patience - time.Second, 40, "", 40 * (patience - time.Second)},
		{"it is dead", patience + time.Minute, 3, llm.CodeTimeout, patience},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(Timeouts{}, func(c net.Conn) {
					fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n", `{"status":"pulling manifest"}`, "\n")
					for range tt.pauses {
						time.Sleep(tt.pause)
						if _, err := fmt.Fprint(c, `{"status":"verifying sha256 digest"}`, "\n"); err != nil {
							return
						}
					}
					fmt.Fprint(c, `{"status":"success"}`, "\n")
				})
				c.dialect = ollama.Client{}
				defer c.Close()
				began := time.Now()
				answer, err := c.Forward(t.Context(), &Call{
					Operation: ollama.Pull, Body: []byte("{}"), Stream: true, Patience: patience,
					Wait: func(longest time.Duration) error {
						if longest < patience {
							t.Errorf("it waits for %v", longest)
						}
						return nil
					},
				})
				if err == nil {
					for _, err = range answer.Pieces {
					}
				}
				code := llm.Code("")
				if e := llm.AsError(err); e != nil {
					code = e.Code
				}
				if took := time.Since(began); code != tt.want || took != tt.took {
					t.Errorf("got %v after %v want %q after %v", err, took, tt.want, tt.took)
				}
				time.Sleep(2 * patience) // so that the upstream notices
			})
		})
	}
}
