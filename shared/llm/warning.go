package llm

// A Policy says what became of a field that a dialect cannot carry as it is.
type Policy string

// The policies of the translation matrix. What can neither be dropped nor
// emulated is refused with an [Error].
const (
	Dropped  Policy = "dropped"  // left out
	Emulated Policy = "emulated" // done in another way, such as by an instruction
)

// A Warning tells the client about one field that was not carried as it is.
type Warning struct {
	Policy Policy `json:"policy"`
	Field  string `json:"field"` // as the client's dialect calls it, where known
}
