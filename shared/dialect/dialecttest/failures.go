package dialecttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

var codes = []llm.Code{
	llm.CodeInvalid, llm.CodeUnsupported, llm.CodeUnauthorized, llm.CodeForbidden, llm.CodeModelNotFound,
	llm.CodeNotFound, llm.CodeTooLarge, llm.CodeContextLength, llm.CodeContentFilter, llm.CodeRateLimited,
	llm.CodeOverloaded, llm.CodeUpstream, llm.CodeUpstreamAuth, llm.CodeUpstreamBill, llm.CodeUnreachable,
	llm.CodeTimeout, llm.CodeInterrupted, llm.CodeCanceled, llm.CodeInternal,
	"", "a code of tomorrow",
}

// cunning is a message that breaks a frame in two where it is not escaped.
const cunning = "it \"broke\"\n\ndata: [DONE]\r\n\r\n{\"done\":true}\n"

// testErrorFrames ends streams by the frame that the server's side writes for
// a failure: the client's side must find the failure in it, wherever it comes.
func (s Suite) testErrorFrames(t *testing.T) {
	stream := s.split(t, s.stream(t, s.answers()["one call"]))
	for _, code := range codes {
		t.Run(string(code), func(t *testing.T) {
			last := s.Server.Framing(s.Operation).Error(&llm.Error{Code: code, Message: cunning})
			if n := len(s.split(t, last)); n != 1 {
				t.Fatalf("%q is %d frames want 1", last, n)
			}
			for n := range len(stream) / 2 {
				input := append(bytes.Join(stream[:n], nil), last...)
				events, err := llmtest.Prefix(t, s.decode(bytes.NewReader(input)))
				if llmtest.Finished(events) {
					t.Errorf("after %d frames and the error the answer is finished", n)
				}
				checkError(t, err)
			}
		})
	}
}

// checkError reports where err is not an error that a client can be shown.
func checkError(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		t.Fatalf("got the error %v want an *llm.Error", err)
	}
	if e.Code == "" || e.Message == "" {
		t.Errorf("got the code %q and the message %q want both", e.Code, e.Message)
	}
}

func (s Suite) testRefusals(t *testing.T) {
	for _, code := range codes {
		t.Run(string(code), func(t *testing.T) {
			status, body := s.Server.Refuse(&llm.Error{Code: code, Message: cunning, Err: errors.New("a secret")}, "req_1")
			if status < 400 || status > 599 {
				t.Errorf("the status is %d", status)
			}
			if err := rawjson.Check(body); err != nil {
				t.Errorf("the body is %q: %v", body, err)
			}
			if bytes.Contains(body, []byte("a secret")) {
				t.Errorf("the body %q shows what only the operator may see", body)
			}
			checkError(t, s.Client.Error(status, body))
		})
	}
	for _, code := range []llm.Code{llm.CodeInvalid, llm.CodeContextLength, llm.CodeRateLimited, llm.CodeOverloaded, llm.CodeTooLarge} {
		status, body := s.Server.Refuse(&llm.Error{Code: code, Message: "it broke"}, "")
		if got := s.Client.Error(status, body); got.Code != code {
			t.Errorf("%s becomes %s, by %d %s", code, got.Code, status, body)
		}
	}
	status, body := s.Server.Refuse(&llm.Error{Code: llm.CodeInvalid, Message: "ours", Status: 422, Body: json.RawMessage(`{"error":"its own"}`)}, "req_1")
	if status != 422 || string(body) != `{"error":"its own"}` {
		t.Errorf("got %d, %s want the upstream's own answer", status, body)
	}
}

var statuses = []int{400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 429, 499, 500, 501, 502, 503, 504, 520, 529, 599}

// testForeignErrors hands the client's side errors that another program wrote.
func (s Suite) testForeignErrors(t *testing.T) {
	bodies := []string{
		"", " ", "null", "{}", "[]", "1", `""`, `"text"`, "upstream connect error", `{"error":null}`, `{"error":{}}`,
		`{"error":""}`, `{"error":"text"}`, `{"error":{"message":"text"}}`, `{"error":{"message":5,"type":[],"code":{}}}`,
		`{"message":"text","code":7}`, `{"detail":"text"}`, `{"detail":[{"msg":"text"}]}`,
		`{"type":"error","error":{"type":"overloaded_error","message":"text"}}`,
		"<html><body>Bad Gateway of 10.0.0.1</body></html>", "\xff\xfe", `{"error":"` + strings.Repeat("x", 1<<16) + `"}`,
	}
	for _, body := range bodies {
		for _, status := range statuses {
			e := s.Client.Error(status, []byte(body))
			if e == nil || e.Code == "" || e.Message == "" {
				t.Fatalf("Error(%d, %.80q) = %+v, want a code and a message", status, body, e)
			}
			if strings.Contains(e.Message, "10.0.0.1") || len(e.Message) > 4<<10 {
				t.Fatalf("Error(%d, %.80q) shows %.200q", status, body, e.Message)
			}
		}
	}
	for _, body := range bodies {
		r, err := s.Client.Whole(s.Operation, []byte(body))
		if err == nil && !strings.HasPrefix(body, "{") {
			t.Errorf("Whole(%.80q) = %v, want an error", body, r)
		}
		checkFault(t, err)
		for _, prefix := range []string{"", "data: "} {
			_, err := llmtest.Prefix(t, s.decode(strings.NewReader(prefix+body+"\n\n")))
			checkFault(t, err)
		}
	}
}

// checkFault reports where an error does not say that it is the upstream's
// fault: another one would be taken for the gateway's own.
func checkFault(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, llm.ErrTruncated) {
		checkError(t, err)
	}
}
