package catalog

import "testing"

func TestTakesSaysWhichCallsAreNative(t *testing.T) {
	whole := Provider{Dialect: "openai"}
	listed := Provider{Dialect: "openai", Native: []string{"openai/chat/completions", "responses/responses"}}
	tests := []struct {
		name               string
		provider           Provider
		dialect, operation string
		want               bool
	}{
		{"without a list, any operation of the dialect", whole, "openai", "embeddings", true},
		{"without a list, no other dialect", whole, "responses", "responses", false},
		{"with a list, what is in it", listed, "openai", "chat/completions", true},
		{"with a list, of another dialect", listed, "responses", "responses", true},
		{"with a list, nothing else of the dialect", listed, "openai", "embeddings", false},
		{"without a dialect, nothing", Provider{}, "", "chat", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.provider.Takes(tt.dialect, tt.operation); got != tt.want {
				t.Errorf("Takes(%q, %q) = %t want %t", tt.dialect, tt.operation, got, tt.want)
			}
		})
	}
}
