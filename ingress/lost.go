package ingress

import (
	"errors"

	"github.com/offbeat-studio/allama/shared/llm"
)

// lost says of a model that its provider does not know what the catalog knows:
// one that is listed has been offered before.
func (x *exchange) lost(err error) error {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok || e.Code != llm.CodeModelNotFound || len(e.Body) > 0 || x.target.Provider == nil {
		return err
	}
	if _, listed := x.endpoint.server.catalog.Index().Resolve(x.target.Provider.Name + "/" + x.target.Model.ID); !listed {
		return err
	}
	gone := *e
	gone.Message = "the provider no longer offers this model"
	return &gone
}
