package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

const (
	clusterService = 300 * time.Millisecond // how long the upstream takes for a call
	clusterEvery   = 20 * time.Millisecond  // how often there is one

	// clusterStall is the longest that a call may take beyond that: where a
	// server dies with the job on its way to a worker, the queue gives it to
	// another after six seconds at the latest.
	clusterStall = 8 * time.Second

	// clusterPause is what hardly any call may take beyond that.
	clusterPause = time.Second
)

// A teller is an upstream that counts how often it was asked each question.
type teller struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]int
}

func newTeller(t testing.TB) *teller {
	u := &teller{asked: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(rw http.ResponseWriter, _ *http.Request) {
		io.WriteString(rw, `{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"x"}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", u.tell)
	u.Server = httptest.NewServer(mux)
	t.Cleanup(u.Close)
	return u
}

func (u *teller) tell(rw http.ResponseWriter, r *http.Request) {
	var body struct {
		Stream   bool
		Messages []struct{ Content string }
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return
	}
	question := body.Messages[0].Content
	u.mu.Lock()
	u.asked[question]++
	u.mu.Unlock()
	frames := []string{openaiWhole(answerTo(question), nil)}
	rw.Header().Set("Content-Type", "application/json")
	if body.Stream {
		rw.Header().Set("Content-Type", "text/event-stream")
		frames = openaiStream(strings.SplitAfter(answerTo(question), " "), nil)
	}
	for _, f := range frames {
		<-time.After(clusterService / time.Duration(len(frames)))
		io.WriteString(rw, f)
		http.NewResponseController(rw).Flush()
	}
}

func answerTo(question string) string { return "the answer to " + question + " is no" }

// A cluster is three brokers, two ingresses, two workers and a sync.
type cluster struct {
	*stack
	brokers []*child
	dirs    []string
	env     [][]string // of the brokers
	ingress []string   // URLs
	js      jetstream.JetStream
}

func startCluster(t testing.TB, u *teller) *cluster {
	t.Helper()
	c := &cluster{stack: newStack(t)}
	base := []string{"OPENAI_HOST=" + u.URL + "/v1", "OPENAI_API_KEY=k", "IS_OLLAMA_ACTIVE=false",
		"ALLAMA_PROVIDERS=gpu", "GPU_KIND=openai", "GPU_HOST=" + u.URL + "/v1", "GPU_API_KEY=k", "GPU_MAX_CONCURRENCY=40"}
	var clients, routes []string
	for range 3 {
		clients, routes = append(clients, freeAddress(t)), append(routes, freeAddress(t))
	}
	for i := range 3 {
		c.dirs = append(c.dirs, t.TempDir())
		c.env = append(c.env, append(base[:len(base):len(base)],
			"ALLAMA_NATS_LISTEN="+clients[i], fmt.Sprintf("ALLAMA_NATS_NAME=nats-%d", i),
			"ALLAMA_NATS_CLUSTER_LISTEN="+routes[i], "ALLAMA_NATS_ROUTES=nats://"+strings.Join(routes, ",nats://")))
		c.brokers = append(c.brokers, c.runIn(t, c.dirs[i], "broker", c.env[i]...))
	}
	url := "nats://" + strings.Join(clients, ",nats://")
	env := append(base, "NATS_URL="+url)
	c.run(t, "sync", env...)
	for range 2 {
		c.run(t, "worker", env...)
		address := freeAddress(t)
		c.ingress = append(c.ingress, "http://"+address)
		c.run(t, "ingress", append(env, "PORT="+address[strings.LastIndexByte(address, ':')+1:])...)
	}
	nc, err := bus.Connect(bus.Server{URL: url}, t.Name(), nil, nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if c.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return c
}

// taken returns how many jobs of a provider were ever taken from a shard; -1
// where that is not there.
func (c *cluster) taken(t testing.TB, shard int, provider string) int {
	consumer, err := c.js.Consumer(t.Context(), bus.StreamOfJobs(shard), bus.Consumer(provider))
	if err != nil {
		return -1
	}
	return int(consumer.CachedInfo().Delivered.Consumer)
}

func (c *cluster) wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30s", what)
		}
	}
}

// ask makes a call and reports how long it took, and what is wrong with the
// answer.
func ask(url, question, model string, stream bool) (time.Duration, error) {
	began := time.Now()
	body := fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":%q}]}`, model, stream, question)
	response, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		return time.Since(began), err
	}
	defer response.Body.Close()
	text, err := contentOf(response.Body, stream)
	took := time.Since(began)
	if err == nil && (response.StatusCode != http.StatusOK || text != answerTo(question)) {
		err = fmt.Errorf("got %d %q", response.StatusCode, text)
	}
	return took, err
}

// contentOf reads an answer of the OpenAI dialect.
func contentOf(r io.Reader, stream bool) (text string, err error) {
	type choice struct{ Delta, Message struct{ Content string } }
	var part struct{ Choices []choice }
	if !stream {
		data, err := io.ReadAll(r)
		if err != nil || json.Unmarshal(data, &part) != nil || len(part.Choices) == 0 {
			return string(data), err
		}
		return part.Choices[0].Message.Content, nil
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if data == "[DONE]" {
			return text, nil
		}
		part.Choices = nil
		if ok && json.Unmarshal([]byte(data), &part) == nil && len(part.Choices) > 0 {
			text += part.Choices[0].Delta.Content
		}
	}
	return text, fmt.Errorf("no end after %q: %w", text, io.ErrUnexpectedEOF)
}

// A traffic is calls that come all the time, by both ingresses, streamed and not,
// to a provider with a limit and to one without.
type traffic struct {
	stop  chan struct{}
	calls sync.WaitGroup

	mu    sync.Mutex
	made  int
	slow  int           // calls that took longer than they should have
	worst time.Duration // of the phase
}

func startTraffic(t testing.TB, c *cluster) *traffic {
	l := &traffic{stop: make(chan struct{})}
	l.calls.Go(func() {
		tick := time.NewTicker(clusterEvery)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			question := fmt.Sprintf("question %d", n)
			l.calls.Go(func() {
				began := time.Now()
				took, err := ask(c.ingress[n%2], question, []string{"openai/m", "gpu/m"}[n/4%2], n/2%2 == 0)
				if stall := took - clusterService; err != nil || stall > clusterStall {
					t.Errorf("%s at %s took %v: %v", question, began.Format("05.000"), took, err)
				}
				l.note(took - clusterService)
			})
		}
	})
	return l
}

func (l *traffic) note(stall time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made, l.worst = l.made+1, max(l.worst, stall)
	if stall > clusterPause {
		l.slow++
	}
}

// phase returns the worst stall since the last phase.
func (l *traffic) phase() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.worst = 0 }()
	return l.worst
}

func TestAClusterServesOnWithoutAServer(t *testing.T) {
	t.Parallel()
	u := newTeller(t)
	c := startCluster(t, u)
	began := time.Now()
	for _, url := range c.ingress {
		c.wait(t, "both providers answer", func() bool {
			for _, model := range []string{"openai/m", "gpu/m"} {
				if _, err := ask(url, "warm", model, false); err != nil {
					return false
				}
			}
			return true
		})
	}
	c.wait(t, "every shard has a queue", func() bool {
		return c.taken(t, 0, "gpu") >= 0 && c.taken(t, 1, "gpu") >= 0 && c.taken(t, 2, "gpu") >= 0
	})
	t.Logf("ready after %v", time.Since(began))
	l := startTraffic(t, c)
	c.wait(t, "every shard is used", func() bool {
		return c.taken(t, 0, "openai") > 3 && c.taken(t, 1, "openai") > 3 && c.taken(t, 2, "openai") > 3
	})
	home := 0
	for shard := range 3 {
		if c.taken(t, shard, "gpu") > c.taken(t, home, "gpu") {
			home = shard
		}
	}
	t.Logf("with all servers: worst stall %v", l.phase())
	for n, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM} {
		victim := (home + n) % 3
		c.brokers[victim].signal(how)
		<-c.brokers[victim].exited
		<-time.After(time.Second) // for the calls that it concerns
		c.brokers[victim] = c.runIn(t, c.dirs[victim], "broker", c.env[victim]...)
		c.wait(t, "the shard is used again", func() bool { return c.taken(t, victim, "openai") > 0 })
		before := c.taken(t, victim, "openai")
		c.wait(t, "the shard is used again", func() bool { return c.taken(t, victim, "openai") > before })
		t.Logf("nats-%d, %v: worst stall %v", victim, how, l.phase())
	}
	close(l.stop)
	l.calls.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	for question, n := range u.asked {
		if n != 1 && question != "warm" {
			t.Errorf("%s was asked %d times", question, n)
		}
	}
	t.Logf("%d calls, %d of them stalled for more than %v", l.made, l.slow, clusterPause)
	if l.slow > l.made/50 { // none, on a machine that does nothing else
		t.Errorf("%d of %d calls stalled for more than %v", l.slow, l.made, clusterPause)
	}
}
