package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

// TestClientsParseAStreamThatWaited has the vendors' own clients stream a call
// that waits for twenty seconds, and is told so twice: after five, and then
// after fifteen of silence.
func TestClientsParseAStreamThatWaited(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for twenty seconds")
	}
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, append(u.env(), "OPENAI_MAX_CONCURRENCY=1")...)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var crowd sync.WaitGroup
	for range 80 { // more than are let in at once
		crowd.Go(func() {
			body := strings.NewReader(`{"model":"openai/hang","messages":[{"role":"user","content":"Hi"}]}`)
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", body)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			if resp, err := http.DefaultClient.Do(r); err == nil {
				resp.Body.Close()
				t.Errorf("a call to an upstream that hangs got %s", resp.Status)
			}
		})
	}
	// Calls of little patience find out whether those that come now have to wait.
	for deadline := time.Now().Add(20 * time.Second); ; {
		resp, _ := s.postWith(t, "/v1/chat/completions", `{"model":"openai/echo","messages":[{"role":"user","content":"Hi"}]}`, "X-Allama-Queue-Timeout", "20ms")
		if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("X-Allama-Queue-Position") != "0" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody has to wait: got %s %v", resp.Status, resp.Header)
		}
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		c := openaiUser{openai.NewClient(openaioption.WithBaseURL(s.url+"/v1"), openaioption.WithAPIKey("any"), openaioption.WithMaxRetries(0)), "openai"}
		got, err := c.ask(t.Context(), c.params("echo", openai.UserMessage("patience")), true)
		if err != nil || len(got.Choices) != 1 || got.Choices[0].Message.Content != "patience" {
			t.Errorf("OpenAI's client got %+v, %v", got, err)
		}
	})
	waiting.Go(func() {
		c := anthropicUser{anthropic.NewClient(anthropicoption.WithBaseURL(s.url), anthropicoption.WithAPIKey("any"), anthropicoption.WithMaxRetries(0)), "openai"}
		got, err := c.ask(t.Context(), c.params("echo", anthropic.NewUserMessage(anthropic.NewTextBlock("patience"))), true)
		if err != nil || len(got.Content) != 1 || got.Content[0].Text != "patience" {
			t.Errorf("Anthropic's client got %+v, %v", got, err)
		}
	})
	var told bool
	waiting.Go(func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/chat/completions",
			strings.NewReader(`{"model":"openai/echo","stream":true,"messages":[{"role":"user","content":"patience"}]}`))
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		first := make([]byte, len(": waiting, position "))
		_, err = resp.Body.Read(first)
		told = err == nil && string(first) == ": waiting, position "
	})
	began := time.NewTimer(21 * time.Second)
	defer began.Stop()
	<-began.C
	leave()
	crowd.Wait()
	waiting.Wait()
	if !told {
		t.Error("a client was not told that it waits")
	}
}
