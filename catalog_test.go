package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// An aList is an upstream of which only the list of models is asked.
type aList struct {
	asked  atomic.Int32
	models atomic.Value // []string
}

func (l *aList) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.asked.Add(1)
	var data []string
	for _, m := range l.models.Load().([]string) {
		data = append(data, fmt.Sprintf(`{"id":%q,"object":"model"}`, m))
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"object":"list","data":[%s]}`, strings.Join(data, ","))
}

// serve answers at an address until stop is called.
func (l *aList) serve(t *testing.T, address string) (at string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: l}
	go server.Serve(listener)
	stop = func() { server.Close() }
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// A dead provider takes nothing from the list: neither time, nor its models,
// once they were known. It is back with the next sync.
func TestTheListOutlivesAProvider(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{"PORT=0", "DATABASE_PATH=" + dir + "/allama.db", "ALLAMA_PROVIDERS=a,b,c", "ALLAMA_SYNC_INTERVAL=1h"}
	var upstreams [3]*aList
	var addresses [3]string
	var stops [3]func()
	for i, name := range []string{"A", "B", "C"} {
		upstreams[i] = &aList{}
		upstreams[i].models.Store([]string{"model-" + name})
		addresses[i], stops[i] = upstreams[i].serve(t, "127.0.0.1:0")
		env = append(env, name+"_KIND=openai", name+"_HOST=http://"+addresses[i])
	}
	all := []string{"model-A", "model-B", "model-C"}

	base, stop := serving(t, env)
	waitForModels(t, base, all)
	stop()

	stops[2]()
	base, stop = serving(t, env)
	defer stop()
	waitForModels(t, base, all)
	for upstreams[0].asked.Load() < 2 || upstreams[1].asked.Load() < 2 { // the listing at the start
		<-time.After(time.Millisecond)
	}
	asked := upstreams[0].asked.Load()
	fastest := time.Hour
	for _, path := range slices.Repeat([]string{"/v1/models", "/api/tags", "/v1/models/model-C", "/api/v1/catalog"}, 10) {
		began := time.Now()
		if got := fetchText(t, http.MethodGet, base+path); !strings.Contains(got, "model-C") {
			t.Errorf("%s: got %s", path, got)
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 50*time.Millisecond {
		t.Errorf("the fastest list took %v", fastest)
	}
	if got := upstreams[0].asked.Load(); got != asked {
		t.Errorf("the lists cost %d calls upstream", got-asked)
	}

	if got := staleAt(t, base); !slices.Equal(got, []string{"model-C"}) {
		t.Errorf("stale are %q, want the dead provider's alone", got)
	}

	upstreams[2].models.Store([]string{"model-C", "model-new"})
	upstreams[2].serve(t, addresses[2])
	if got := fetchText(t, http.MethodPost, base+"/api/v1/sync?provider=c"); !strings.Contains(got, `"provider":"c","models":2`) {
		t.Errorf("the sync says %s", got)
	}
	if got := listedAt(t, base); !slices.Equal(got, append(all, "model-new")) {
		t.Errorf("after the sync: %q", got)
	}
	if got := staleAt(t, base); len(got) > 0 {
		t.Errorf("after the sync %q are stale", got)
	}
}

// What nobody asks for is there after an interval, too: a model that was added,
// and the models of a provider that was dead from the start.
func TestTheListFollowsTheProviders(t *testing.T) {
	t.Parallel()
	live, late := &aList{}, &aList{}
	live.models.Store([]string{"model-A"})
	late.models.Store([]string{"model-B"})
	at, _ := live.serve(t, "127.0.0.1:0")
	dead, stop := late.serve(t, "127.0.0.1:0")
	stop()
	base, stop := serving(t, []string{"PORT=0", "DATABASE_PATH=" + t.TempDir() + "/allama.db", "ALLAMA_SYNC_INTERVAL=1s",
		"ALLAMA_PROVIDERS=a,b", "A_KIND=openai", "A_HOST=http://" + at, "B_KIND=openai", "B_HOST=http://" + dead})
	defer stop()
	waitForModels(t, base, []string{"model-A"})
	live.models.Store([]string{"model-A", "model-new"})
	late.serve(t, dead)
	began := time.Now()
	waitForModels(t, base, []string{"model-A", "model-B", "model-new"})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("with an interval of a second it took %v", took)
	}
}

// staleAt returns the models of which the catalog says that they may be gone.
func staleAt(t *testing.T, base string) (names []string) {
	t.Helper()
	var l struct {
		Data []struct {
			Name string
			Seen struct{ Stale bool }
		}
	}
	if err := json.Unmarshal([]byte(fetchText(t, http.MethodGet, base+"/api/v1/catalog")), &l); err != nil {
		t.Fatal(err)
	}
	for _, m := range l.Data {
		if m.Seen.Stale {
			names = append(names, m.Name)
		}
	}
	return names
}

var baseAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// serving runs the program, and returns where it serves.
func serving(t *testing.T, env []string) (base string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var log output
	code := make(chan int, 1)
	p := serveProgram(t, &log, env...)
	p.environ = slices.DeleteFunc(append(p.environ, env...), func(line string) bool {
		return strings.HasPrefix(line, "DATABASE_PATH=") && !slices.Contains(env, line)
	})
	p.environ = append(p.environ, "IS_DEMO_ACTIVE=false")
	go func() { code <- run(ctx, p, "allama") }()
	log.wait(t, "point clients here")
	line := log.String()
	base = baseAddress.FindString(line[strings.Index(line, "point clients here"):])
	return base, func() {
		cancel()
		if got := <-code; got != exitOK {
			t.Errorf("exit code %d; it said\n%s", got, log.String())
		}
	}
}

func fetchText(t *testing.T, method, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func listedAt(t *testing.T, base string) (names []string) {
	t.Helper()
	var l struct{ Data []struct{ ID string } }
	if err := json.Unmarshal([]byte(fetchText(t, http.MethodGet, base+"/v1/models")), &l); err != nil {
		t.Fatal(err)
	}
	for _, m := range l.Data {
		names = append(names, m.ID)
	}
	slices.Sort(names)
	return names
}

func waitForModels(t *testing.T, base string, want []string) {
	t.Helper()
	for began := time.Now(); !slices.Equal(listedAt(t, base), want); <-time.After(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("the list is %q, want %q", listedAt(t, base), want)
		}
	}
}
