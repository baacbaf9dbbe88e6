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
	gpuLimit       = 40                     // calls at once of the limited provider

	// clusterStall is the longest that a call may take beyond that when a server
	// is gone, on a machine that does nothing else.
	clusterStall = time.Second

	// clusterFrozen is the same for a server that is there and does nothing: it
	// takes the others two seconds to be sure.
	clusterFrozen = 2500 * time.Millisecond

	// clusterSlack is by how much more these may be exceeded for each moment by
	// which the machine is late, for so many processes have a part in a call: on
	// one that has much else to do nobody is on time. clusterWorst is the end of
	// it: by then a call has to be answered in any case.
	clusterSlack = 10
	clusterWorst = 8 * time.Second
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
		"ALLAMA_PROVIDERS=gpu", "GPU_KIND=openai", "GPU_HOST=" + u.URL + "/v1", "GPU_API_KEY=k", fmt.Sprint("GPU_MAX_CONCURRENCY=", gpuLimit)}
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

// limit returns how many jobs of the limited provider a shard gives out at once:
// one until it is known which limits were changed; 0 where the shard is not there.
func (c *cluster) limit(t testing.TB, shard int) int {
	consumer, err := c.js.Consumer(t.Context(), bus.StreamOfJobs(shard), bus.Consumer("gpu"))
	if err != nil {
		return 0
	}
	return consumer.CachedInfo().Config.MaxAckPending
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
	worst time.Duration // stall of the phase
	late  time.Duration // the latest that this process was, in the phase
}

func startTraffic(t testing.TB, c *cluster) *traffic {
	l := &traffic{stop: make(chan struct{})}
	l.calls.Go(l.watch)
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
				if stall := took - clusterService; err != nil || stall > clusterWorst {
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
}

// watch measures how late this process is, as a measure of all.
func (l *traffic) watch() {
	for {
		due := time.Now().Add(5 * time.Millisecond)
		select {
		case <-l.stop:
			return
		case <-time.After(time.Until(due)):
		}
		l.mu.Lock()
		l.late = max(l.late, time.Since(due))
		l.mu.Unlock()
	}
}

// phase ends a phase: no call that ended in it may have stalled for longer than
// the bound allows.
func (l *traffic) phase(t testing.TB, name string, bound time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bound = min(bound+clusterSlack*l.late, clusterWorst)
	t.Logf("%s: worst stall %v, with the machine %v late", name, l.worst, l.late)
	if l.worst > bound {
		t.Errorf("%s: a call stalled for %v, want at most %v", name, l.worst, bound)
	}
	l.worst, l.late = 0, 0
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
	c.wait(t, "every shard takes as many calls as it may", func() bool {
		return c.limit(t, 0) == gpuLimit && c.limit(t, 1) == gpuLimit && c.limit(t, 2) == gpuLimit
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
	l.phase(t, "with all servers", clusterStall)
	serves := func(shard int) {
		t.Helper()
		c.wait(t, "the shard is used again", func() bool { return c.taken(t, shard, "openai") > 0 })
		before := c.taken(t, shard, "openai")
		c.wait(t, "the shard is used again", func() bool { return c.taken(t, shard, "openai") > before })
	}
	for n, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM} {
		victim := (home + n) % 3
		c.brokers[victim].signal(how)
		<-c.brokers[victim].exited
		<-time.After(time.Second) // for the calls that it concerns
		c.brokers[victim] = c.runIn(t, c.dirs[victim], "broker", c.env[victim]...)
		serves(victim)
		l.phase(t, fmt.Sprintf("nats-%d, %v", victim, how), clusterStall)
	}
	c.brokers[home].signal(syscall.SIGSTOP)
	<-time.After(4 * time.Second)
	c.brokers[home].signal(syscall.SIGCONT)
	serves(home)
	l.phase(t, fmt.Sprintf("nats-%d, frozen for a while", home), clusterFrozen)
	close(l.stop)
	l.calls.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	for question, n := range u.asked {
		if n != 1 && question != "warm" {
			t.Errorf("%s was asked %d times", question, n)
		}
	}
	t.Logf("%d calls", l.made)
}
