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

	// Weak says of an emulation that the model was asked in words, and may do
	// otherwise.
	Weak bool `json:"weak,omitempty"`

	// Thought says of what was dropped that it is a thought in the history.
	// Only the model that had it can make anything of it: nothing that was
	// asked for is lost.
	Thought bool `json:"thought,omitempty"`
}

// Strictly returns the [*Error] with which a caller is refused who would rather
// have no answer than one to less than was asked for: nil where nothing was
// dropped, but thoughts of the past, or is but asked for in words.
func Strictly(warnings []Warning) error {
	for _, w := range warnings {
		switch {
		case w.Policy == Dropped && !w.Thought:
			return &Error{Code: CodeUnsupported, Param: w.Field, Message: w.Field + " cannot be carried to this model, and strict mode does not let it be dropped"}
		case w.Weak:
			return &Error{Code: CodeUnsupported, Param: w.Field, Message: w.Field + " can only be asked for in words from this model, and strict mode does not allow that"}
		}
	}
	return nil
}
