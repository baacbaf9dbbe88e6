package upstream

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
)

func TestAddressesThatClientsMayNotDefine(t *testing.T) {
	for _, host := range []string{
		"169.254.169.254", "169.254.0.1", "169.254.170.2", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "::ffff:169.254.169.254",
		"64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::a9fe:a9fe", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd20:ce::254", "ff02::1", "224.0.0.1",
	} {
		if CheckAddress(host) == nil {
			t.Errorf("%s can be defined", host)
		}
	}
	for _, host := range []string{"127.0.0.1", "::1", "10.0.0.1", "192.168.1.2", "172.16.0.1", "100.64.0.1", "fd12::1", "8.8.8.8", "2001:4860::1", "gpu1", "localhost", ""} {
		if err := CheckAddress(host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// The name of a host may lead anywhere, and to another place each time.
func TestAGuardedClientDoesNotDialWhatItMustNot(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{}`)) }))
	defer server.Close()
	for _, tt := range []struct {
		base    string
		allowed bool
	}{
		{server.URL, true}, {"http://169.254.169.254:1", false}, {"http://[::ffff:a9fe:a9fe]:1", false},
	} {
		base, err := url.Parse(tt.base)
		if err != nil {
			t.Fatal(err)
		}
		c := New(Options{Base: base, Dialect: openai.Client{}, Guarded: true})
		_, err = Get[struct{}](t.Context(), c, "models", nil)
		guarded := err != nil && strings.Contains(err.Error(), errGuarded.Error())
		if tt.allowed && err != nil || !tt.allowed && !guarded {
			t.Errorf("%s: got %v", tt.base, err)
		}
		c.Close()
	}
}
