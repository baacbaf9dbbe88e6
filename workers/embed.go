package workers

import (
	"encoding/json"
	"fmt"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// embed performs a canonical job for embeddings.
func (h *handler) embed(a *attempt) error {
	r := new(llm.EmbedRequest)
	if err := json.Unmarshal(a.job.Body, r); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	r.Model, r.Strict = a.job.Model, h.isStrict(a.job)
	e, ok := h.provider.(Embedder)
	if !ok {
		return dialect.NoEmbeddings(r.Model)
	}
	answer, warnings, err := e.Embed(a.ctx, r, a.wait)
	if err != nil {
		return err
	}
	body, err := rawjson.Marshal(answer)
	if err != nil {
		return fmt.Errorf("write embeddings: %w", err)
	}
	a.head, a.end.Usage = &bus.Head{Whole: true, Warnings: warnings}, answer.Usage
	return a.data(body)
}
