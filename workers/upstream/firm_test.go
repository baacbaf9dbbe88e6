package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/llm"
)

// Whoever decides on another attempt has to know whether that can come to
// anything else, and whether the upstream may have begun.
func TestWhatAnotherAttemptWouldComeTo(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, tt := range []struct {
		name         string
		err          error
		firm, unsent bool
	}{
		{"refused", refused, false, true},
		{"connecting takes too long", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, false, true},
		{"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}}, false, true},
		{"bad certificate", &tls.CertificateVerificationError{Err: errors.New("expired")}, true, true},
		{"reset while it is written to", &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, false, false},
		{"reset", fmt.Errorf("read: %w", syscall.ECONNRESET), false, false},
	} {
		if e := unreachable(&url.Error{Op: "Post", Err: tt.err}); e.Firm != tt.firm || e.Unsent != tt.unsent {
			t.Errorf("%s: firm %t, unsent %t, want %t and %t", tt.name, e.Firm, e.Unsent, tt.firm, tt.unsent)
		}
	}
	server := httptest.NewServer(http.RedirectHandler("http://example.com", http.StatusTemporaryRedirect))
	defer server.Close()
	base, err := ParseHost(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Base: base, Dialect: openai.Client{}})
	defer c.Close()
	if e := llm.AsError(ask(c, true)); e == nil || !e.Firm {
		t.Errorf("a redirect: got %+v, want it to be firm", e)
	}
}
