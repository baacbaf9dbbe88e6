package bus

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

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
	Body      []byte

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

// The headers of a job. The owner's address has to travel in one, for
// JetStream uses the reply subject of what it delivers for acknowledgements.
const (
	headerVersion   = "Allama-Version"
	headerOwner     = "Allama-Owner"
	headerRequest   = "Allama-Request"
	headerModel     = "Allama-Model"
	headerEncoding  = "Allama-Encoding"
	headerDialect   = "Allama-Dialect"
	headerOperation = "Allama-Operation"
	headerMethod    = "Allama-Method" // left out where it is empty
	headerTask      = "Allama-Task"   // likewise
	headerStream    = "Allama-Stream"
	headerStrict    = "Allama-Strict"
	headerCaller    = "Allama-Caller"   // left out where it is empty
	headerAffinity  = "Allama-Affinity" // likewise
	headerHeld      = "Allama-Held"     // the size of a body that stays with the owner
	headerSource    = "Allama-Source"   // it is a source; left out otherwise
	headerClient    = "Allama-Client-"  // and the name of a header of the client's
)

// message returns the job as a message for a shard of the queue. Each
// publication with the same number is the same message to that.
func (j *Job) message(owner string, shard, publication int) *nats.Msg {
	m := nats.NewMsg(SubjectJobs(shard, j.Provider))
	m.Header = nats.Header{
		nats.MsgIdHdr:   {j.Request + "-" + strconv.Itoa(publication)},
		headerVersion:   {strconv.Itoa(Version)},
		headerOwner:     {owner},
		headerRequest:   {j.Request},
		headerModel:     {j.Model},
		headerEncoding:  {string(j.Encoding)},
		headerDialect:   {j.Dialect},
		headerOperation: {j.Operation},
	}
	if j.Method != "" {
		m.Header[headerMethod] = []string{j.Method}
	}
	if j.Task != "" {
		m.Header[headerTask] = []string{string(j.Task)}
	}
	if j.Caller != "" {
		m.Header[headerCaller] = []string{j.Caller}
	}
	if j.Affinity != "" {
		m.Header[headerAffinity] = []string{j.Affinity}
	}
	if j.Stream {
		m.Header[headerStream] = []string{"1"}
	}
	if j.Strict {
		m.Header[headerStrict] = []string{"1"}
	}
	for name, value := range j.Header {
		m.Header[headerClient+name] = []string{value}
	}
	switch {
	case j.Source != nil:
		m.Header[headerHeld] = []string{strconv.FormatInt(j.Source.Size(), 10)}
		m.Header[headerSource] = []string{"1"}
	case len(j.Body) > inlineBody:
		m.Header[headerHeld] = []string{strconv.Itoa(len(j.Body))}
	default:
		m.Data = j.Body
	}
	return m
}

// parseJob reads a job message of a provider; held is the size of the body
// that the owner still has, 0 when the job has it.
func parseJob(provider string, h nats.Header, data []byte) (j *Job, owner string, held int, err error) {
	get := func(key string) string {
		if v := h[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	if v := get(headerVersion); v != strconv.Itoa(Version) {
		return nil, "", 0, fmt.Errorf("job of protocol version %q, want %d", v, Version)
	}
	j = &Job{
		Request: get(headerRequest), Provider: provider, Model: get(headerModel),
		Encoding: Encoding(get(headerEncoding)), Dialect: get(headerDialect),
		Operation: get(headerOperation), Task: llm.Task(get(headerTask)), Stream: get(headerStream) != "", Body: data,
		Strict: get(headerStrict) != "", sourced: get(headerSource) != "",
		Caller: get(headerCaller), Affinity: get(headerAffinity), Method: get(headerMethod),
	}
	for key := range h {
		if name, ok := strings.CutPrefix(key, headerClient); ok {
			if j.Header == nil {
				j.Header = map[string]string{}
			}
			j.Header[name] = get(key)
		}
	}
	owner = get(headerOwner)
	if !isToken(owner) || !isToken(j.Request) {
		return nil, "", 0, fmt.Errorf("job without owner or request")
	}
	if size := get(headerHeld); size != "" {
		held, err = strconv.Atoi(size)
		if err != nil || held <= 0 {
			return nil, "", 0, fmt.Errorf("job with a held body of size %q", size)
		}
	}
	return j, owner, held, nil
}

// isToken says whether s can stand in a subject as it is.
func isToken(s string) bool { return s != "" && token(s) == s }
