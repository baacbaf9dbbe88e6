package openai

import "github.com/offbeat-studio/allama/shared/dialect"

var _ dialect.ToolNamer = Client{}

// MaxToolName implements [dialect.ToolNamer].
func (Client) MaxToolName() int { return 64 }
