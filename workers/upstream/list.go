package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"
)

const listTimeout = 30 * time.Second

// Get asks for something other than an answer, such as a list of models, and
// decodes the JSON that comes. It takes at most 30 seconds. Errors are those
// of [Client.Answer].
func Get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	var value T
	body, err := c.get(ctx, path, query)
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(body, &value); err != nil {
		return value, unreadable(fmt.Errorf("decode %s: %w", path, err))
	}
	return value, nil
}

func (c *Client) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	ctx, stop := context.WithTimeoutCause(ctx, listTimeout, silent(listTimeout))
	defer stop()
	x := newExchange(ctx, c, func(time.Duration) error { return nil })
	defer x.close()
	x.silence = listTimeout
	req := c.request(x.ctx, http.MethodGet, path)
	if len(query) > 0 {
		all := maps.Clone(query)
		maps.Copy(all, c.query)
		req.URL.RawQuery = all.Encode()
	}
	if err := x.roundTrip(req); err != nil {
		return nil, err
	}
	if x.response.StatusCode >= http.StatusMultipleChoices {
		return nil, x.refusal(false)
	}
	if err := x.accept(false); err != nil {
		return nil, err
	}
	body, err := x.readAll()
	if err != nil {
		return nil, x.explain(err)
	}
	return body, nil
}
