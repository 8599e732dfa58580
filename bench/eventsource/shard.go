package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// shard drives one machine.
type shard struct {
	mapping  *Mapping
	id       string
	parent   string // empty: none
	started  bool   // guarded by mapping.mu
	iterator string // of the next poll that continues; belongs to run

	mu        sync.Mutex // never held while something is in flight
	machine   *Machine
	readError string // of the last poll; empty: it worked
	atEnd     bool   // closed, and everything in it is settled
}

func newShard(m *Mapping, id, parent string, number uint32) *shard {
	return &shard{mapping: m, id: id, parent: parent, machine: NewMachine(MachineConfig{
		Settings:    m.config.Settings,
		Shard:       id,
		Number:      number,
		StreamARN:   m.config.StreamARN,
		FunctionARN: m.config.FunctionARN,
		Region:      m.config.Region,
		Seed:        m.config.Seed,
	})}
}

func (s *shard) finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.atEnd
}

func (s *shard) now() time.Time { return s.mapping.config.Clock.Now() }

// run does what the machine says until the shard ends or the mapping stops.
// What was cut short by the end of the context is not told to the machine: its
// outcome is not known, so nothing may be settled by it.
func (s *shard) run() {
	reading := s.mapping.reading
	for reading.Err() == nil {
		now := s.now()
		s.mu.Lock()
		action := s.machine.Next(now)
		s.mu.Unlock()
		goOn := true
		switch a := action.(type) {
		case Poll:
			goOn = s.poll(reading, a)
		case Invoke:
			goOn = s.invoke(s.mapping.ctx, a)
		case Send:
			goOn = s.send(s.mapping.ctx, a)
		case Wait:
			pause(reading, a.Until.Sub(now))
		case End:
			s.end()
			goOn = false
		}
		if !goOn {
			return
		}
	}
}

// pause waits, at most until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (s *shard) end() {
	s.mu.Lock()
	s.atEnd = true
	s.mu.Unlock()
	select {
	case s.mapping.ended <- struct{}{}:
	default: // a signal is waiting already, and one is enough
	}
}

// poll reads one page. It reports false where the mapping stopped meanwhile.
func (s *shard) poll(ctx context.Context, p Poll) bool {
	page, err := s.read(ctx, p)
	if err != nil && ctx.Err() != nil {
		return false
	}
	now := s.now()
	var gap *Gap
	s.mu.Lock()
	if err != nil {
		gap = s.machine.PollFailed(readFault(err))
	} else {
		err = s.machine.Polled(now, page.Records, page.NextShardIterator == nil)
	}
	s.readError = ""
	if err != nil {
		s.readError = err.Error()
	}
	s.mu.Unlock()
	if gap != nil {
		s.report(now, gap, err)
	}
	return true
}

// read makes an iterator where one is asked for, and gets the page.
func (s *shard) read(ctx context.Context, p Poll) (*dynamodbstreams.GetRecordsOutput, error) {
	config := &s.mapping.config
	if p.From.Kind != Continue {
		in := &dynamodbstreams.GetShardIteratorInput{
			StreamArn: &config.StreamARN, ShardId: &s.id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		}
		if p.From.Kind == AfterSequence {
			in.ShardIteratorType = types.ShardIteratorTypeAfterSequenceNumber
			in.SequenceNumber = &p.From.Sequence
		}
		out, err := config.Streams.GetShardIterator(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("get iterator of shard %s: %w", s.id, err)
		}
		s.iterator = aws.ToString(out.ShardIterator)
	}
	out, err := config.Streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{
		ShardIterator: &s.iterator, Limit: aws.Int32(int32(p.Limit)),
	})
	if err != nil {
		return nil, fmt.Errorf("get records of shard %s: %w", s.id, err)
	}
	s.iterator = aws.ToString(out.NextShardIterator)
	return out, nil
}

func readFault(err error) ReadFault {
	if _, ok := errors.AsType[*types.ExpiredIteratorException](err); ok {
		return IteratorExpired
	}
	if _, ok := errors.AsType[*types.TrimmedDataAccessException](err); ok {
		return DataTrimmed
	}
	return ReadError
}

// report tells of a gap: it is evidence, since what is in it can never be
// delivered.
func (s *shard) report(now time.Time, gap *Gap, cause error) {
	data, err := json.Marshal(struct {
		Evidence string `json:"evidence"`
		*Gap
	}{"stream_gap", gap})
	if err != nil {
		panic("eventsource: a gap that cannot be encoded: " + err.Error()) // two strings always can
	}
	s.mapping.config.Observer.Event(bench.Event{
		At:   now,
		Kind: bench.EventEvidence,
		Text: fmt.Sprintf("shard %s: the stream has trimmed what comes after %q; going on from the oldest record left: %v", gap.Shard, gap.After, cause),
		Data: data,
	})
}

// invoke runs the function once and tells the observer before the machine, so
// that no checkpoint is ever ahead of the deliveries that moved it.
func (s *shard) invoke(ctx context.Context, in Invoke) bool {
	answer := s.mapping.config.Function.Invoke(ctx, bench.Invocation{RequestID: in.RequestID, Payload: in.Payload})
	if ctx.Err() != nil && answer.HandedAt.IsZero() {
		return false
	}
	if !answer.HandedAt.IsZero() && !answer.Throttled {
		s.mapping.config.Observer.Delivered(deliveries(s.id, in, answer))
	}
	now := s.now()
	s.mu.Lock()
	s.machine.Answered(now, answer)
	s.mu.Unlock()
	return true
}

// deliveries makes one delivery a record of an invocation that was handed over.
func deliveries(shard string, in Invoke, answer bench.Answer) []bench.Delivery {
	outcome := bench.Delivered
	if e := answer.Error; e != nil {
		if outcome = e.Outcome; outcome == 0 {
			outcome = bench.DeliveryError
		}
	}
	list := make([]bench.Delivery, len(in.Records))
	for i, r := range in.Records {
		list[i] = bench.Delivery{
			Shard: shard, Sequence: r.Sequence, ID: r.ID, Batch: in.Batch, Attempt: in.Attempt, At: answer.HandedAt, Outcome: outcome,
		}
	}
	return list
}

// send hands a document to the destination.
func (s *shard) send(ctx context.Context, send Send) bool {
	err := s.mapping.config.Destination.Send(ctx, send.Document)
	if err != nil && ctx.Err() != nil {
		return false
	}
	if err == nil {
		if letters := deadLetters(s.now(), send); len(letters) > 0 {
			s.mapping.config.Observer.DeadLettered(letters)
		}
	}
	s.mu.Lock()
	s.machine.Sent(err)
	s.mu.Unlock()
	return true
}

// deadLetters makes one dead letter a record. Keys that are no ids of ours
// cannot be told by their number and are left out.
func deadLetters(now time.Time, send Send) []bench.DeadLetter {
	var letters []bench.DeadLetter
	for _, r := range send.Records {
		if id, err := bench.ParseID(r.ID); err == nil {
			letters = append(letters, bench.DeadLetter{Seq: id.Seq, Readable: send.Document.Payload != "", At: now})
		}
	}
	return letters
}
