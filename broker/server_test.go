package broker

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
)

func TestServerOpensNoPortByDefault(t *testing.T) {
	s, _ := start(t, Config{})
	if addr := s.nats.Addr(); addr != nil {
		t.Errorf("the server listens on %v, want no address", addr)
	}
	if err := connect(t, s).Conn().Publish("x", nil); err != nil {
		t.Errorf("publish in process: %v", err)
	}
}

func TestServerListens(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		as   nats.Option
		want bool
	}{
		{"on loopback, to anybody", Config{Listen: "127.0.0.1:0"}, nats.Name(""), true},
		{"to those who know the password", Config{Listen: "127.0.0.1:0", User: "u", Password: "p"}, nats.UserInfo("u", "p"), true},
		{"not to those who do not", Config{Listen: "127.0.0.1:0", User: "u", Password: "p"}, nats.UserInfo("u", "q"), false},
		{"not to those who say nothing", Config{Listen: "0.0.0.0:0", Token: "t"}, nats.Name(""), false},
		{"to those who know the token", Config{Listen: "0.0.0.0:0", Token: "t"}, nats.Token("t"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := start(t, tt.cfg)
			nc, err := nats.Connect(s.nats.ClientURL(), tt.as)
			if got := err == nil; got != tt.want {
				t.Errorf("connected = %v (%v), want %v", got, err, tt.want)
			}
			if err == nil {
				nc.Close()
			}
			connect(t, s) // in process it always works
		})
	}
}

func TestStartRefusesABadConfig(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"open to all without credentials", Config{Listen: "0.0.0.0:4222"}, "can be reached by others"},
		{"an empty host is all addresses", Config{Listen: ":4222"}, "can be reached by others"},
		{"a host name may be anything", Config{Listen: "nats:4222"}, "can be reached by others"},
		{"no port", Config{Listen: "127.0.0.1"}, "missing port"},
		{"a port that is none", Config{Listen: "127.0.0.1:x"}, `port "x"`},
		{"a user without a password", Config{User: "u"}, "belong together"},
		{"a password without a user", Config{Password: "p"}, "belong together"},
		{"two kinds of credentials", Config{User: "u", Password: "p", Token: "t"}, "either"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Start(tt.cfg, nil)
			if err == nil {
				s.shutdown()
				t.Fatal("Start = nil, want an error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Start = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestStartSaysThatThePortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err = Start(Config{Listen: l.Addr().String()}, nil); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Start = %v, want the reason", err)
	}
}

func TestStartSaysThatTheStoreCannotBeUsed(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(Config{StoreDir: file}, nil); err == nil {
		s.shutdown()
		t.Error("Start = nil, want an error")
	}
}

func TestServerKeepsItsStoreOverARestart(t *testing.T) {
	cfg := Config{StoreDir: t.TempDir()}
	topology := Topology{Providers: []Provider{{Name: "openai"}}}

	s, stop := start(t, cfg)
	js := connect(t, s)
	if err := Apply(t.Context(), js, topology); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), bus.SubjectJobs(0, "openai"), []byte("job")); err != nil {
		t.Fatal(err)
	}
	js.Conn().Close()
	stop()

	s, _ = start(t, cfg)
	js = connect(t, s)
	changed, err := apply(t.Context(), js, topology)
	if err != nil || !slices.Equal(changed, []string{bus.BucketIdempotency, bus.StreamThoughts}) { // which are in memory
		t.Errorf("apply after the restart = %v, %v, want nothing to do but for what is in memory", changed, err)
	}
	c, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer("openai"))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := c.Next()
	if err != nil || string(msg.Data()) != "job" {
		t.Errorf("next job after the restart = %v, %v", msg, err)
	}
}

func TestAStoreHasOneServer(t *testing.T) {
	cfg := Config{StoreDir: t.TempDir()}
	first, err := Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Start(cfg, nil); err == nil {
		t.Error("a second server uses the same store")
		second.shutdown()
	} else if !strings.Contains(err.Error(), cfg.StoreDir) {
		t.Errorf("Start = %v, want an error that names the store", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Run(ended); err != nil {
		t.Fatal(err)
	}
	third, err := Start(cfg, nil)
	if err != nil {
		t.Fatalf("Start once the first has ended = %v", err)
	}
	if err := third.Run(ended); err != nil {
		t.Error(err)
	}
}

func TestRunReportsAServerThatStopsByItself(t *testing.T) {
	s, err := Start(Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.nats.Shutdown()
	if err := s.Run(t.Context()); err == nil {
		t.Error("Run = nil, want an error")
	}
}

func TestServerIsQuietAtInfo(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	s, err := Start(Config{StoreDir: t.TempDir()}, log)
	if err != nil {
		t.Fatal(err)
	}
	js := connect(t, s)
	if err := Apply(t.Context(), js, Topology{}); err != nil {
		t.Fatal(err)
	}
	js.Conn().Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Errorf("the server says at info:\n%s", out.String())
	}
}

func TestLoggerLevels(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	l.Errorf("a %d", 1)
	l.Warnf("b")
	l.Noticef("  c")
	l.Debugf("hidden")
	l.Tracef("hidden")
	l.Fatalf("gone")
	for _, want := range []string{"level=ERROR msg=\"a 1\" component=nats", "level=WARN msg=b", "level=DEBUG msg=c"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hidden") || l.debugs() {
		t.Errorf("what NATS calls debug shows at debug:\n%s", out.String())
	}
	if got := <-l.fatal; got != "gone" {
		t.Errorf("fatal reason = %q, want gone", got)
	}
}
