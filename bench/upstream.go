package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A pace is how the upstream answers until it is told otherwise.
type pace struct {
	latency, interval time.Duration
	chunks            int
	models            int // besides the one that is called
}

// serveUpstream is a provider of all dialects whose answers cost it next to
// nothing: they are made of a few constant bytes.
func serveUpstream(ctx context.Context, address string) error {
	var now atomic.Pointer[pace]
	now.Store(&pace{})
	mux := http.NewServeMux()
	for _, w := range wires {
		mux.HandleFunc("POST "+w.path, func(out http.ResponseWriter, r *http.Request) { w.answer(out, r, *now.Load()) })
	}
	mux.HandleFunc("POST /pace", func(_ http.ResponseWriter, r *http.Request) {
		number := func(name string) int64 {
			n, _ := strconv.ParseInt(r.FormValue(name), 10, 64) // 0 for none
			return n
		}
		now.Store(&pace{time.Duration(number("latency")), time.Duration(number("interval")), int(number("chunks")), int(number("models"))})
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { answer(w, models(now.Load().models)) })
	mux.HandleFunc("GET /slow/v1/models", func(w http.ResponseWriter, _ *http.Request) { answer(w, models(0)) })
	mux.HandleFunc("POST /slow/v1/chat/completions", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then it is not seen that the client leaves
		<-r.Context().Done()
	})
	always := func(pattern, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { answer(w, body) })
	}
	always("GET /api/tags", `{"models":[{"name":"bench:latest","model":"bench:latest","modified_at":"2026-01-01T00:00:00Z","size":1,"digest":"00","details":{"family":"llama","capabilities":["completion"]}}]}`)
	always("POST /api/show", `{"details":{"family":"llama"},"model_info":{},"capabilities":["completion"]}`)
	always("GET /api/ps", `{"models":[]}`)
	always("GET /api/version", `{"version":"0.12.0"}`)
	return serve(ctx, address, mux)
}

// models is a list of models, in a form that OpenAI's and Anthropic's clients
// both read.
func models(more int) string {
	const model = `{"id":%q,"object":"model","type":"model","display_name":"bench","created_at":"2026-01-01T00:00:00Z","created":1760000000,"owned_by":"bench"}`
	list := []string{fmt.Sprintf(model, "bench")}
	for i := range more {
		list = append(list, fmt.Sprintf(model, "bench-"+strconv.Itoa(i)))
	}
	return `{"object":"list","data":[` + strings.Join(list, ",") + `],"has_more":false,"first_id":"bench","last_id":"bench"}`
}

func answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body) // whoever is gone need not be told
}

func (w wire) answer(out http.ResponseWriter, r *http.Request, p pace) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if p.latency > 0 {
		time.Sleep(p.latency)
	}
	if len(body) > 64<<10 { // a picture
		body = body[:1<<10]
	}
	if !strings.Contains(string(body), `"stream":true`) {
		out.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(out, w.whole, text(0)) // as above
		return
	}
	out.Header().Set("Content-Type", "text/event-stream")
	if w.lines {
		out.Header().Set("Content-Type", "application/x-ndjson")
	}
	w.stream(out, p)
}

// stream writes as fast as the chunks come due.
func (w wire) stream(out http.ResponseWriter, p pace) {
	control, began := http.NewResponseController(out), time.Now()
	_, err := io.WriteString(out, w.open)
	for i := 0; i < p.chunks && err == nil; i++ {
		if p.interval > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * p.interval)))
		}
		if _, err = fmt.Fprintf(out, w.chunk, text(i)); err == nil && p.interval > 0 {
			err = control.Flush()
		}
	}
	if err == nil {
		_, _ = io.WriteString(out, w.close) // as above
	}
}

// serveProxy is what a gateway costs at least: the standard library's reverse
// proxy, with connections and buffers that are used again. It reads requests
// before it sends them on, as all do that look for the model: otherwise an answer
// that comes at once can race with the end of the request, and be broken off.
// Large ones it passes on as they come, for which it needs next to nothing.
func serveProxy(ctx context.Context, address, upstream string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	return serve(ctx, address, &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if r.In.ContentLength > 1<<20 {
				return
			}
			if body, err := io.ReadAll(r.In.Body); err == nil {
				r.Out.Body = io.NopCloser(bytes.NewReader(body))
			}
		},
		Transport:     &http.Transport{MaxIdleConnsPerHost: 4096, DisableCompression: true},
		FlushInterval: -1,
		BufferPool:    &buffers{},
	})
}

// buffers is a pool of what the proxy copies with.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

func serve(ctx context.Context, address string, h http.Handler) error {
	server := &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
