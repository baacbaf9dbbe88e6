package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
)

// Users who were added are let in, and those who were replaced are not, as soon
// as the server has read its file again; nobody else loses the connection.
func TestUsersChangeWithoutARestart(t *testing.T) {
	c := Credentials{Dir: t.TempDir(), Providers: []string{"a"}, Server: ServerFile{Listen: "127.0.0.1:-1", StoreDir: t.TempDir()}}
	if _, err := c.Write(false); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.Dir, userBroker, serverFile)
	s, _ := start(t, Config{File: file})
	g := guarded{s, c}
	before := g.as(t, userBroker).Conn()
	g.Providers = append(g.Providers, "b")
	if _, err := g.Write(false); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	nc := g.as(t, "worker-b").Conn()
	if err := nc.Publish(bus.SubjectUsage("b"), nil); err != nil {
		t.Error(err)
	}
	if err := before.Flush(); err != nil || before.Stats().Reconnects != 0 {
		t.Errorf("who was there before has lost the connection %d times: %v", before.Stats().Reconnects, err)
	}
	if _, err := g.Write(true); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old keys are good for nothing", func() bool { return !nc.IsConnected() && !before.IsConnected() })
	g.as(t, "worker-b")
}

// A file that cannot be used changes nothing.
func TestABrokenFileChangesNothing(t *testing.T) {
	c := Credentials{Dir: t.TempDir(), Server: ServerFile{Listen: "127.0.0.1:-1", StoreDir: t.TempDir()}}
	if _, err := c.Write(false); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.Dir, userBroker, serverFile)
	s, _ := start(t, Config{File: file})
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"no configuration":      {"users: [", "configuration file"},
		"a folder that differs": {strings.Replace(string(good), c.Server.StoreDir, t.TempDir(), 1), "not supported"},
		"no JetStream":          {"listen: 127.0.0.1:-1", "no JetStream"},
	} {
		if err := replace(file, []byte(tt.text)); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
	}
	guarded{s, c}.as(t, userIngress)
}

func TestOnlyAFileIsReadAgain(t *testing.T) {
	s, _ := start(t, Config{})
	if err := s.Reload(); err == nil {
		t.Error("got nil, want an error")
	}
}
