package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

const listTimeout = 30 * time.Second

// maxList is more than any vendor's list of models takes.
const maxList = 5 << 20

// Get asks for something other than an answer, such as a list of models, and
// decodes the JSON that comes, which is 5 MiB at the most. It takes at most 30
// seconds. Errors are those of [Client.Answer].
func Get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	req := c.request(ctx, http.MethodGet, path)
	if len(query) > 0 {
		all := maps.Clone(query)
		maps.Copy(all, c.query)
		req.URL.RawQuery = all.Encode()
	}
	return fetch[T](ctx, c, path, req)
}

// Post is Get for what is asked for by a body of JSON.
func Post[T any](ctx context.Context, c *Client, path string, body []byte) (T, error) {
	req := c.request(ctx, http.MethodPost, path)
	setBody(req, body)
	return fetch[T](ctx, c, path, req)
}

func fetch[T any](ctx context.Context, c *Client, path string, req *http.Request) (T, error) {
	var value T
	body, err := c.body(ctx, req)
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(body, &value); err != nil {
		return value, unreadable(fmt.Errorf("decode %s: %w", path, err))
	}
	return value, nil
}

func (c *Client) body(ctx context.Context, req *http.Request) ([]byte, error) {
	ctx, stop := context.WithTimeoutCause(ctx, listTimeout, silent(listTimeout))
	defer stop()
	for tries := 1; ; tries++ {
		body, err := c.ask(ctx, req)
		e, ok := errors.AsType[*llm.Error](err)
		if !ok || !e.Again || req.Body != nil || tries >= len(c.keys.keys) {
			return body, err
		}
	}
}

// ask is body with one of the credentials: any good one will do.
func (c *Client) ask(ctx context.Context, req *http.Request) ([]byte, error) {
	x := newExchange(ctx, c, func(time.Duration) error { return nil })
	defer x.close()
	x.silence = listTimeout
	if err := x.send(req.Clone(x.ctx), &Call{}, false); err != nil {
		return nil, err
	}
	if err := x.accept(false); err != nil {
		return nil, err
	}
	x.content = &bounded{r: x.content, left: maxList}
	body, err := x.readAll()
	if err != nil {
		return nil, x.explain(err)
	}
	return body, nil
}
