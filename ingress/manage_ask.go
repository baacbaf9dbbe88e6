package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const (
	runningWait = 2 * time.Second // for an Ollama to say which models are loaded
	showWait    = 5 * time.Second // for one to describe a model
)

// askOllama has an Ollama answer a question, for as long as ctx allows, and returns
// the answer, a JSON object, as a whole.
func (s *Server) askOllama(ctx context.Context, job bus.Job) ([]byte, error) {
	job.Encoding, job.Dialect, job.Task = bus.Native, ollama.Server{}.Name(), llm.TaskManage
	job.Deadline, _ = ctx.Deadline()
	call, err := s.owner.Call(job)
	if err != nil {
		return nil, err
	}
	var body []byte
	for batch, err := range call.Batches(ctx) {
		if err != nil {
			return nil, err
		}
		for _, m := range batch.Messages {
			switch m := m.(type) {
			case bus.Head:
				body = nil
			case bus.Data:
				body = append(body, m...)
			case bus.End:
				if m.Error != nil {
					return nil, m.Error
				}
			}
		}
	}
	return body, rawjson.Check(body)
}

// askShow has an Ollama describe one of its models.
func (s *Server) askShow(w *response, r *http.Request, t catalog.Target, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(r.Context(), showWait)
	defer cancel()
	shown, err := s.askOllama(ctx, bus.Job{
		Request: bus.NewID(), Provider: t.Provider.Name, Model: t.Upstream, Operation: ollama.Show,
		Body: rawjson.Set(body, "model", rawjson.String(t.Upstream)), Caller: callerOf(w.key),
	})
	if err != nil {
		s.log.Debug("a model is described by what the catalog knows", slog.String(logging.KeyProvider, t.Provider.Name),
			slog.String(logging.KeyModel, t.Upstream), slog.Any(logging.KeyError, err))
	}
	return shown, err
}

// isRefusal says whether an Ollama has answered, and will not describe a model.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*llm.Error](err)
	return ok && e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError
}

// named returns a description with the name that a client goes by, where it
// does.
func named(shown []byte, name string, r *http.Request) []byte {
	if !isCopilot(r) {
		return shown
	}
	info := []byte("{}")
	for f := range rawjson.Fields(shown) {
		if f.Key == "model_info" && rawjson.IsObject(f.Value) {
			info = f.Value
		}
	}
	return rawjson.Set(shown, "model_info", rawjson.Set(info, "general.basename", rawjson.String(name)))
}

// A runningEntry is a model that is loaded. All of its fields are always there.
type runningEntry struct {
	Name          string          `json:"name"`
	Model         string          `json:"model"`
	Size          json.Number     `json:"size"`
	Digest        string          `json:"digest"`
	Details       json.RawMessage `json:"details"`
	ExpiresAt     time.Time       `json:"expires_at"`
	SizeVRAM      json.Number     `json:"size_vram"`
	ContextLength int             `json:"context_length"`
}

// listRunning asks all Ollamas which models are loaded. One that does not say
// so in time has none.
func (s *Server) listRunning(w *response, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), runningWait)
	defer cancel()
	index := s.catalog.Index()
	providers := ollamas(index)
	found := make([][]runningEntry, len(providers))
	var asking sync.WaitGroup
	for i, p := range providers {
		asking.Go(func() {
			var err error
			if found[i], err = s.running(ctx, index, p, callerOf(w.key)); err != nil {
				s.log.Debug("an Ollama does not say which models are loaded", slog.String(logging.KeyProvider, p.Name), slog.Any(logging.KeyError, err))
			}
		})
	}
	asking.Wait()
	all := append([]runningEntry{}, slices.Concat(found...)...)
	slices.SortStableFunc(all, func(a, b runningEntry) int { return b.ExpiresAt.Compare(a.ExpiresAt) })
	w.json(s.speakerOf(r).json, map[string][]runningEntry{"models": all})
}

// running asks one Ollama, and names its models as they are called here.
func (s *Server) running(ctx context.Context, index *catalog.Index, p *catalog.Provider, caller string) ([]runningEntry, error) {
	body, err := s.askOllama(ctx, bus.Job{
		Request: bus.NewID(), Provider: p.Name, Operation: ollama.PS, Method: http.MethodGet, Caller: caller,
	})
	if err != nil {
		return nil, err
	}
	var list struct{ Models []runningEntry }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	list.Models = slices.DeleteFunc(list.Models, func(e runningEntry) bool { return index.Hides(p.Name, e.Name) || index.Hides(p.Name, e.Model) })
	for i := range list.Models {
		e := &list.Models[i]
		if t, ok := index.Resolve(e.Name); !ok || t.Provider.Name != p.Name {
			e.Name, e.Model = p.Name+"/"+e.Name, p.Name+"/"+e.Model
		}
		if e.Details == nil {
			e.Details = json.RawMessage("{}")
		}
	}
	return list.Models, nil
}
