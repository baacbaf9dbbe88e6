package workers

import (
	"strings"
	"testing"
)

// Of several hosts that a client has named, each must be one that may be called.
func TestEveryHostOfAPoolIsGuarded(t *testing.T) {
	for host, ok := range map[string]bool{"gpu1,192.168.1.7": true, "gpu1,169.254.169.254": false, "169.254.169.254,gpu1": false} {
		_, err := Open(ProviderConfig{Name: "pool", Kind: "ollama", Host: host, Guarded: true})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "link-local") {
			t.Errorf("%s: got %v, want it allowed: %v", host, err, ok)
		}
	}
}

func TestCapacityOf(t *testing.T) {
	for kind, want := range map[string]int{"ollama": 128, "openai": 0, "demo": 0} {
		p, err := Open(ProviderConfig{Name: "p", Kind: kind, Host: map[string]string{"ollama": "a,b"}[kind]})
		if err != nil {
			t.Fatal(err)
		}
		if got := capacityOf(p); got != want {
			t.Errorf("%s: got %d calls at once, want %d", kind, got, want)
		}
	}
	p, err := Open(ProviderConfig{Name: "p", Kind: "ollama", Host: "a,b", MaxConcurrency: 20})
	if err != nil {
		t.Fatal(err)
	}
	if got := capacityOf(p); got != 320 {
		t.Errorf("with 20 calls that there may be: got %d want 320, for each host has its share", got)
	}
}
