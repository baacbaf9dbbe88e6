package ingress

import (
	"fmt"
	"net/http"
	"strings"
)

// maxPassed bounds the header that goes along with a call.
const maxPassed = 4 << 10

// passed returns the header that goes along with a call that is passed on as
// it is; several of the name are one list.
func (e *endpoint) passed(h http.Header) (map[string]string, error) {
	name := e.route.Header
	if name == "" {
		return nil, nil
	}
	switch value := strings.Join(h.Values(name), ","); {
	case value == "":
		return nil, nil
	case len(value) > maxPassed:
		return nil, invalid(strings.ToLower(name), fmt.Sprintf("header %s is longer than %d bytes", strings.ToLower(name), maxPassed))
	default:
		return map[string]string{name: value}, nil
	}
}
