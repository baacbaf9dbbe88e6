package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// With SIGHUP, as servers have it, the catalog is brought up to date.
func TestHangupListsTheModelsAgain(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP) // or a signal that comes early kills the tests
	t.Cleanup(func() { signal.Stop(caught) })
	var asked atomic.Int32
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		listModels(w, r)
	}))
	t.Cleanup(upstream.Close)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log output
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, serveProgram(t, &log, "PORT=0", "OPENAI_API_KEY=k", "OPENAI_HOST="+upstream.URL), "allama")
	}()
	log.wait(t, "point clients here")
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); asked.Load() < 2; {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("listed %d times; it said\n%s", asked.Load(), log.String())
		}
		if err := self.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-time.After(100 * time.Millisecond)
	}
	log.wait(t, "SIGHUP")
	stop()
	if got := <-code; got != exitOK {
		t.Errorf("exit code: got %d", got)
	}
}
