package workers

import (
	"io"

	"github.com/offbeat-studio/allama/shared/bus"
)

// upload is the body of a job that is sent on while it comes; nil where the job
// has it as a whole.
func (a *attempt) upload() *io.SectionReader {
	if a.job.Source == nil {
		return nil
	}
	return io.NewSectionReader(lively{a.job.Source, a.reply}, 0, a.job.Source.Size())
}

// A lively source keeps its attempt alive: however long it takes to read all of
// it, and whatever the upstream does with what has been read last.
type lively struct {
	io.ReaderAt
	reply *bus.Reply
}

// ReadAt reads from the source.
func (l lively) ReadAt(p []byte, off int64) (int, error) {
	l.reply.Expect(managePatience + waitMargin)
	return l.ReaderAt.ReadAt(p, off)
}
