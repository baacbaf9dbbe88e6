package workers_test

import (
	"testing"

	"github.com/offbeat-studio/allama/workers/providertest"
)

func TestProvidersConform(t *testing.T) { providertest.Run(t) }
