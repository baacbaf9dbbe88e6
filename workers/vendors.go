package workers

import (
	"slices"

	"github.com/offbeat-studio/allama/workers/openai"
)

// A Vendor is a well-known maker of an API of one of the kinds. Its name can
// stand for the kind: the provider is then where the vendor's API is, and is
// spoken to in the vendor's way.
type Vendor struct {
	Name string
	Kind string
	Host string // where the API is; empty: only its operator knows
}

// Vendors lists the vendors whose names are not those of kinds.
func Vendors() []Vendor {
	var vendors []Vendor
	for _, v := range openai.Vendors() {
		if !slices.Contains(Kinds(), v.Name) {
			vendors = append(vendors, Vendor{Name: v.Name, Kind: "openai", Host: v.Host})
		}
	}
	return vendors
}

// kindOf returns the kind of that name, or of the vendor of that name.
func kindOf(name string) (k kind, vendor string, ok bool) {
	for _, v := range Vendors() {
		if v.Name == name {
			name, vendor = v.Kind, v.Name
		}
	}
	for _, k := range kinds {
		if k.name == name {
			return k, vendor, true
		}
	}
	return kind{}, "", false
}
