package upstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// Embed has the upstream embed texts, and returns what of r the dialect could
// not carry. It calls wait as [Client.Answer] does.
//
// It returns an [*llm.Error] when the upstream refuses the call or fails, and
// when its API makes no embeddings.
func (c *Client) Embed(ctx context.Context, r *llm.EmbedRequest, wait func(time.Duration) error) (*llm.Embeddings, []llm.Warning, error) {
	d, ok := c.dialect.(dialect.EmbedClient)
	if !ok {
		return nil, nil, dialect.NoEmbeddings(r.Model)
	}
	encoded, err := d.EncodeEmbed(r)
	if err != nil {
		return nil, nil, err
	}
	if err := strictly(r.Strict, encoded.Warnings); err != nil {
		return nil, nil, err
	}
	x, err := c.open(ctx, &Call{Operation: encoded.Operation, Body: encoded.Body, Wait: wait}, false)
	if err != nil {
		return nil, nil, err
	}
	defer x.close()
	if !x.whole() {
		return nil, nil, unreadable(errors.New("embeddings came as a stream"))
	}
	body, err := x.readAll()
	if err != nil {
		return nil, nil, x.explain(err)
	}
	e, err := d.Embeddings(encoded.Operation, body)
	if err == nil && len(e.Vectors) != len(r.Input) {
		err = fmt.Errorf("%d embeddings of %d texts", len(e.Vectors), len(r.Input))
	}
	if err != nil {
		return nil, nil, x.explain(notUnderstood(err))
	}
	return e, encoded.Warnings, nil
}
