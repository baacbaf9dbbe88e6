package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestUsersNeedAKey(t *testing.T) {
	g := startGuarded(t)
	stranger := Credentials{Dir: t.TempDir()}
	if _, err := stranger.Write(false); err != nil {
		t.Fatal(err)
	}
	foreign, err := nats.NkeyOptionFromSeed(filepath.Join(stranger.Dir, userBroker, seedFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, as := range map[string]nats.Option{"nobody": nats.Name(""), "a password": nats.UserInfo("broker", "broker"), "another stack's key": foreign} {
		if nc, err := nats.Connect(g.nats.ClientURL(), as); err == nil {
			nc.Close()
			t.Errorf("%s is let in, want an error", name)
		}
	}
}

func TestKeysAreMadeOnce(t *testing.T) {
	c := Credentials{Dir: filepath.Join(t.TempDir(), "new"), Providers: []string{"b", "a"}}
	want := []string{userBroker, userIngress, userSync, userWorker, "worker-a", "worker-b"}
	seeds := func() map[string]string {
		all := map[string]string{}
		for _, user := range want {
			path := filepath.Join(c.Dir, user, seedFile)
			seed, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o400 {
				t.Errorf("mode of %s: %v (%v), want 0400", path, info.Mode(), err)
			}
			all[user] = string(seed)
		}
		return all
	}
	write := func(rotate bool, want string) {
		t.Helper()
		made, err := c.Write(rotate)
		if got := strings.Join(made, " "); err != nil || got != want {
			t.Errorf("made %q (%v), want %q", got, err, want)
		}
	}
	write(false, strings.Join(want, " "))
	first := seeds()
	write(false, "")
	c.Providers = append(c.Providers, "c")
	write(false, "worker-c")
	for user, seed := range seeds() {
		if seed != first[user] {
			t.Errorf("the key of %s was replaced", user)
		}
	}
	conf, err := os.ReadFile(filepath.Join(c.Dir, userBroker, serverFile))
	if err != nil {
		t.Fatal(err)
	}
	for user, seed := range first {
		if strings.Contains(string(conf), strings.TrimSpace(seed)) {
			t.Errorf("the configuration shows the secret key of %s", user)
		}
	}
	write(true, strings.Join(append(want, "worker-c"), " "))
	for user, seed := range seeds() {
		if seed == first[user] {
			t.Errorf("the key of %s was not replaced", user)
		}
	}
}

func TestADamagedKeyIsNotReplaced(t *testing.T) {
	c := Credentials{Dir: t.TempDir()}
	path := filepath.Join(c.Dir, userSync, seedFile)
	if err := replace(path, []byte("SUNONSENSE")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(false); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Write = %v, want an error that names %s", err, path)
	}
	if seed, err := os.ReadFile(path); err != nil || string(seed) != "SUNONSENSE" {
		t.Errorf("the file holds %q (%v), want what was there", seed, err)
	}
}

func TestServerFile(t *testing.T) {
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), serverFile)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"that is missing", Config{File: filepath.Join(t.TempDir(), "none.conf")}, "none.conf"},
		{"that cannot be read", Config{File: write("listen: [")}, "configuration file"},
		{"without JetStream", Config{File: write(`listen: "127.0.0.1:-1"`)}, "no JetStream"},
		{"and something else", Config{File: write("jetstream: enabled"), Listen: "127.0.0.1:0"}, "leave out"},
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

func TestMonitoringIsOffUnlessAskedFor(t *testing.T) {
	for _, monitor := range []string{"", "127.0.0.1:-1"} {
		c := Credentials{Dir: t.TempDir(), Server: ServerFile{Listen: "127.0.0.1:-1", StoreDir: t.TempDir(), Monitor: monitor}}
		if _, err := c.Write(false); err != nil {
			t.Fatal(err)
		}
		s, stop := start(t, Config{File: filepath.Join(c.Dir, userBroker, serverFile)})
		if got, want := s.nats.MonitorAddr() != nil, monitor != ""; got != want {
			t.Errorf("monitoring at %q: on %t, want %t", monitor, got, want)
		}
		stop()
	}
}
