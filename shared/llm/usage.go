package llm

// Usage counts the tokens of one call. Input, CacheRead and CacheWrite do not
// overlap; Reasoning is a part of Output.
type Usage struct {
	Input      int `json:"input"`                 // read in full: neither from nor into a cache
	CacheRead  int `json:"cache_read,omitempty"`  // read from the provider's prompt cache
	CacheWrite int `json:"cache_write,omitempty"` // read and put into the cache
	Output     int `json:"output"`                // written, thinking included
	Reasoning  int `json:"reasoning,omitempty"`   // the share of Output that was thinking; 0 also where unknown
}

// Prompt is the number of all input tokens, cached or not.
func (u Usage) Prompt() int { return u.Input + u.CacheRead + u.CacheWrite }

// Total is the number of all tokens.
func (u Usage) Total() int { return u.Prompt() + u.Output }
