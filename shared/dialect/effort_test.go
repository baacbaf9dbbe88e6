package dialect

import "testing"

func TestEffortsAModelLacksBecomeOnesItHas(t *testing.T) {
	tests := []struct {
		has        []string
		word, want string
	}{
		{nil, "xhigh", "xhigh"},
		{[]string{"low", "medium", "high", "max"}, "xhigh", "max"},
		{[]string{"low", "medium", "high"}, "xhigh", "high"},
		{[]string{"high"}, "low", "high"},
		{[]string{"minimal", "low"}, "none", "minimal"},
		{[]string{"none", "low"}, "minimal", "low"},
		{[]string{"high"}, "enormous", "enormous"},
		{[]string{"enormous"}, "low", "low"},
	}
	for _, tt := range tests {
		if got := NearestEffort(tt.has, tt.word); got != tt.want {
			t.Errorf("%s with %v: got %s, want %s", tt.word, tt.has, got, tt.want)
		}
	}
}
