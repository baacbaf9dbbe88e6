package ingress

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/offbeat-studio/allama/shared/bus"
)

const limit = 4 << 10

// padded is a request of n bytes.
func padded(n int) string {
	body := `{"model":"gpt-4o","x":"`
	return body + strings.Repeat("x", n-len(body)-2) + `"}`
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func zstandard(t *testing.T, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return string(z.EncodeAll([]byte(text), nil))
}

func TestBodiesOfAnySizeAndEncoding(t *testing.T) {
	g := newRig(t, &Config{MaxBodyBytes: limit})
	var rec recorder
	g.worker("oai", rec.plays(frames(bus.Head{Whole: true}, bus.End{}, "{}")))
	plain := padded(limit)
	for _, tt := range []struct {
		name, body, encoding string
		want                 int
	}{
		{"up to the limit", plain, "", 200},
		{"over the limit", padded(limit + 1), "", 413},
		{"far over the limit", padded(limit * 100), "", 413},
		{"identity", plain, "identity", 200},
		{"gzip", gzipped(t, plain), "gzip", 200},
		{"gzip in capitals", gzipped(t, plain), "GZIP", 200},
		{"zstd", zstandard(t, plain), "zstd", 200},
		{"gzip over the limit", gzipped(t, padded(limit+1)), "gzip", 413},
		{"zstd over the limit", zstandard(t, padded(limit+1)), "zstd", 413},
		{"a gzip bomb", gzipped(t, padded(2<<20)), "gzip", 413},
		{"a zstd bomb", zstandard(t, padded(10<<20)), "zstd", 413},
		{"cut gzip", gzipped(t, plain)[:20], "gzip", 400},
		{"cut zstd", zstandard(t, plain)[:20], "zstd", 400},
		{"no gzip", plain, "gzip", 400},
		{"no zstd", plain, "zstd", 400},
		{"gzip of nothing", gzipped(t, ""), "gzip", 400},
		{"brotli", plain, "br", 415},
		{"two encodings", gzipped(t, plain), "gzip, gzip", 415},
	} {
		for _, w := range wires() {
			if tt.want == 200 && w.name != "openai" {
				continue
			}
			var headers []string
			if tt.encoding != "" {
				headers = []string{"Content-Encoding", tt.encoding}
			}
			got := g.post(w.path, tt.body, headers...)
			if _, message := w.outcome(got); got.status != tt.want || tt.want != 200 && message == "" {
				t.Errorf("%s by %s: got %d %s want %d", tt.name, w.name, got.status, got.body, tt.want)
			}
		}
		if tt.want == 200 && string(rec.last(t).Body) != plain {
			t.Errorf("%s: the job has another body", tt.name)
		}
	}
}

func TestContentTypeIsIgnored(t *testing.T) {
	g := newRig(t, nil)
	g.worker("llama", frames(bus.Head{Whole: true}, bus.End{}, "{}"))
	for _, ct := range []string{"", "application/x-www-form-urlencoded", "text/plain", "nonsense;;"} {
		if got := g.post("/api/chat", ask("tiny", false), "Content-Type", ct); got.status != 200 {
			t.Errorf("%q: got %d %s", ct, got.status, got.body)
		}
	}
}

// raw sends a request byte by byte as it is, and reads the answer.
func (g *rig) raw(text string) (*http.Response, string) {
	g.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, text) }() // the server may close before the end
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body) // a reset after the answer is all right
	return resp, string(body)
}

func TestBodiesThatLieAboutTheirLength(t *testing.T) {
	g := newRig(t, &Config{MaxBodyBytes: limit})
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
	chunk := "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n"
	for name, tt := range map[string]struct {
		request string
		want    int
	}{
		"a huge Content-Length":       {head + "Content-Length: 1099511627776\r\n\r\n{", 413},
		"chunks without end":          {head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, 1000), 413},
		"a client that asks before":   {head + "Content-Length: 1099511627776\r\nExpect: 100-continue\r\n\r\n", 413},
		"a broken chunk":              {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		"a Content-Length and chunks": {head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400},
		"two lengths":                 {head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
		"a negative length":           {head + "Content-Length: -1\r\n\r\n", 400},
	} {
		resp, body := g.raw(tt.request)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: got %d %s want %d", name, resp.StatusCode, body, tt.want)
		}
		if tt.want == 413 && !resp.Close {
			t.Errorf("%s: the connection stays open", name)
		}
	}
}

// A large body whose length is known takes little more room than it needs.
func TestRoomForAPromisedBody(t *testing.T) {
	for _, size := range []int{0, 1, bodyEstimate - 1, bodyEstimate, bodyEstimate + 1, 5 << 20} {
		for _, promised := range []int{0, size, 2 * size} {
			sent := bytes.Repeat([]byte("x"), size)
			got, err := readPromised(bytes.NewReader(sent), int64(promised))
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("of %d bytes, %d promised: got %d, %v", size, promised, len(got), err)
			}
			if room := cap(got); promised == size && room > size+size/4+bodyEstimate/2 {
				t.Errorf("%d bytes take the room of %d", size, room)
			}
		}
	}
}
