package bus

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// ErrNoWorker is returned by [AskWorker] when no worker serves the subject.
var ErrNoWorker = errors.New("no worker runs")

// maxAnswer is what a worker's answer may take.
const maxAnswer = 64 << 20

// errCut is the error of an answer that has not come whole.
var errCut = errors.New("an answer has come in pieces that do not fit together")

// SubjectList is where one of a provider's workers is asked for its models: of
// those that have it in their configuration, or of those that serve what was
// defined at run time.
func SubjectList(provider string, defined bool) string {
	if defined {
		return "allama.list." + token(provider) + ".defined"
	}
	return "allama.list." + token(provider) + ".configured"
}

// subjectListed is where an answer to a question at such a subject goes. The
// provider is in it, so that a worker can be kept from answering for others.
func subjectListed(asked, id string) string {
	provider, _, _ := strings.Cut(strings.TrimPrefix(asked, "allama.list."), ".")
	return "allama.listed." + provider + "." + id
}

// AskWorker asks one of the workers that serve a subject of [SubjectList], and
// returns its answer, which may be larger than a message can be. It waits until
// ctx is done. An answer that does not come whole is an error.
func AskWorker[Q, A any](ctx context.Context, nc *nats.Conn, subject string, q Q) (a A, err error) {
	data, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("ask at %s: %w", subject, err)
	}
	inbox := subjectListed(subject, NewID())
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return a, fmt.Errorf("ask at %s: %w", subject, err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // or the connection is gone, and the subscription with it
	if err := nc.PublishRequest(subject, inbox, data); err != nil {
		return a, fmt.Errorf("ask at %s: %w", subject, err)
	}
	answer, err := collect(ctx, sub)
	if errors.Is(err, nats.ErrNoResponders) {
		return a, ErrNoWorker
	}
	if err == nil {
		err = json.Unmarshal(answer, &a)
	}
	if err != nil {
		return a, fmt.Errorf("ask at %s: %w", subject, err)
	}
	return a, nil
}

// AnswerAsWorker has each question at a subject of [SubjectList] handed to take,
// which must not block, unless another worker has got it. The answer is given by
// reply, once, or again after an error. It ends when the subscription does.
func AnswerAsWorker[Q, A any](nc *nats.Conn, subject string, take func(q Q, reply func(A) error)) (*nats.Subscription, error) {
	sub, err := nc.QueueSubscribe(subject, "workers", func(m *nats.Msg) {
		var q Q
		if json.Unmarshal(m.Data, &q) != nil || m.Reply == "" {
			return
		}
		take(q, func(a A) error {
			answer, err := json.Marshal(a)
			if err == nil && len(answer) > maxAnswer {
				err = fmt.Errorf("%d bytes are more than the %d that may be sent", len(answer), maxAnswer)
			}
			if err == nil {
				err = deal(nc, m.Reply, answer)
			}
			if err != nil {
				return fmt.Errorf("answer at %s: %w", subject, err)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("answer at %s: %w", subject, err)
	}
	return sub, nil
}

// pieceHead is what stands before each piece: its number, and how many there are.
const pieceHead = 8

// deal sends an answer in pieces.
func deal(nc *nats.Conn, to string, answer []byte) error {
	all := (len(answer) + pieceSize - 1) / pieceSize
	for i := range all {
		piece := make([]byte, pieceHead, pieceHead+pieceSize)
		binary.BigEndian.PutUint32(piece, uint32(i))
		binary.BigEndian.PutUint32(piece[4:], uint32(all))
		piece = append(piece, answer[i*pieceSize:min((i+1)*pieceSize, len(answer))]...)
		if err := nc.Publish(to, piece); err != nil {
			return err
		}
	}
	return nil
}

// collect returns what was sent in pieces.
func collect(ctx context.Context, sub *nats.Subscription) ([]byte, error) {
	var got pieces
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
			return nil, nats.ErrNoResponders
		}
		if whole, err := got.add(m.Data); whole || err != nil {
			return got.answer, err
		}
	}
}

// pieces are those of an answer that have come. They come in their order, or some
// are lost.
type pieces struct {
	answer []byte
	next   uint32
}

// add takes the next piece, and reports whether it was the last one.
func (p *pieces) add(piece []byte) (whole bool, err error) {
	if len(piece) <= pieceHead || binary.BigEndian.Uint32(piece) != p.next || len(p.answer)+len(piece)-pieceHead > maxAnswer {
		return false, errCut
	}
	p.answer = append(p.answer, piece[pieceHead:]...)
	p.next++
	return p.next == binary.BigEndian.Uint32(piece[4:]), nil
}
