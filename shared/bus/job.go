package bus

import (
	"io"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// An Encoding says in which language the body of a job and its answer are.
type Encoding string

// The encodings.
const (
	Native    Encoding = "native"    // the wire form of Job.Dialect, on both ways
	Canonical Encoding = "canonical" // package llm: a Request in JSON, and lines of events; or what the job's task has in their place
)

// A Job is one call, as it travels to a worker.
type Job struct {
	Request   string   // the call's id, from [NewID]
	Provider  string   // who shall serve it
	Model     string   // by a name that the provider knows
	Encoding  Encoding // of Body and of the answer
	Dialect   string   // the client's; it is the upstream's too where Encoding is Native
	Operation string   // the client's operation, such as chat/completions
	Method    string   // by which HTTP calls the operation; empty: POST
	Task      llm.Task // what Operation is for
	Stream    bool     // whether the client wants the answer as a stream
	Strict    bool     // whether the client would rather be refused than have a field dropped, see [llm.Strictly]
	Body      []byte   // names the model as Model does, where it names one

	// Source is a body that is too large for memory, in place of Body; it is
	// never empty. The owner must not close what is behind it before the call
	// has ended. A worker reads it while it performs the job, and gets what it
	// reads from the owner; where that fails, the job has failed.
	Source *io.SectionReader

	// Caller says whose call it is, by a token that says nothing else: all
	// calls with one of the clients' keys have the same. Empty without keys.
	Caller string

	// Affinity is the same token for calls that had better be performed at one
	// place: what they have in common is then known there already. Empty: the
	// call has nothing in common with others.
	Affinity string

	// MaxAttempts is how many leases workers may be granted for the call; 0: as
	// many as the owner's options say. It does not travel.
	MaxAttempts int

	// Header holds what a Native job has of the client's HTTP headers, by
	// their names in canonical form; a few short ones at most.
	Header map[string]string

	// Deadline is when the owner stops waiting; zero for never. It travels as
	// the time that remains, so clocks need not agree.
	Deadline time.Time

	attempt int  // from 1, set for workers
	sourced bool // the held body is a Source
}

// Attempt is the number of the attempt that a worker was granted, from 1.
func (j *Job) Attempt() int { return j.attempt }
