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
	parent   string        // empty: none
	started  bool          // guarded by mapping.mu
	atLatest bool          // begins at its end, and hence does not wait for its parent; guarded by mapping.mu
	iterator string        // of the next poll that continues; belongs to run
	wake     chan struct{} // an answer has come; holds one

	mu        sync.Mutex // never held while something is in flight
	machine   *Machine
	kept      string // what the keeper has of its trials
	readError string // of the last poll; empty: it worked
	atEnd     bool   // closed, and everything in it is settled
}

// newShard makes a shard that is read from its oldest record, or on from where a
// mapping before has come to.
func newShard(m *Mapping, id, parent string, number uint32) *shard {
	var from From
	if after := m.config.Positions[id]; after != "" {
		from = From{Kind: AfterSequence, Sequence: after}
	}
	return &shard{mapping: m, id: id, parent: parent, kept: encodeTrials(m.trials[id]), wake: make(chan struct{}, 1), machine: NewMachine(MachineConfig{
		Settings:    m.config.Settings,
		From:        from,
		Shard:       id,
		Number:      number,
		StreamARN:   m.config.StreamARN,
		FunctionARN: m.config.FunctionARN,
		Region:      m.config.Region,
		Seed:        m.config.Seed,
		Trials:      m.trials[id],
	})}
}

// restart makes the machine ready to go on at its checkpoint, or where that is
// lost at a place. It does not run.
func (s *shard) restart(settings bench.Mapping, lost *From) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = false
	if lost != nil {
		s.atEnd, s.atLatest = false, lost.Kind == Latest
	}
	s.machine.Restart(settings, lost)
	s.keepTrials()
}

func (s *shard) finished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.atEnd
}

func (s *shard) now() time.Time { return s.mapping.config.Clock.Now() }

// run does what the machine says until the shard ends or reading does, and then
// waits for what is in flight. Polls are made here, one after the other;
// invocations and documents are in flight beside them, one a lane.
//
// What was cut short by the end of the mapping's context is not told to the
// machine: its outcome is not known, so nothing may be settled by it.
func (s *shard) run(reading context.Context) {
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	for reading.Err() == nil {
		now := s.now()
		s.mu.Lock()
		action := s.machine.Next(now)
		if s.kept != "" {
			s.keepTrials() // Next itself drops what no destination is to have
		}
		s.mu.Unlock()
		switch a := action.(type) {
		case Poll:
			s.poll(reading, a)
		case Invoke:
			inFlight.Go(func() { s.invoke(s.mapping.ctx, a) })
		case Send:
			inFlight.Go(func() { s.send(s.mapping.ctx, a) })
		case Wait:
			s.wait(reading, now, a.Until)
		case End:
			s.end()
			return
		}
	}
}

// wait returns at a time, which may be zero for none, or when an answer has
// come or reading has ended.
func (s *shard) wait(reading context.Context, now, until time.Time) {
	var tick <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(until.Sub(now))
		defer timer.Stop()
		tick = timer.C
	}
	select {
	case <-tick:
	case <-s.wake:
	case <-reading.Done():
	}
}

// signal sends on a channel that holds one, unless one is waiting already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *shard) end() {
	s.mu.Lock()
	s.atEnd = true
	s.mu.Unlock()
	signal(s.mapping.ended)
}

// poll reads one page. Where reading ended meanwhile the machine is not told.
func (s *shard) poll(reading context.Context, p Poll) {
	page, err := s.read(reading, p)
	if err != nil && reading.Err() != nil {
		return
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
}

// read makes an iterator where one is asked for, and gets the page.
func (s *shard) read(ctx context.Context, p Poll) (*dynamodbstreams.GetRecordsOutput, error) {
	config := &s.mapping.config
	if p.From.Kind != Continue {
		in := &dynamodbstreams.GetShardIteratorInput{
			StreamArn: &config.StreamARN, ShardId: &s.id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		}
		switch p.From.Kind {
		case Latest:
			in.ShardIteratorType = types.ShardIteratorTypeLatest
		case AfterSequence:
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
		Text: fmt.Sprintf("shard %s: the place after record %q is lost; going on elsewhere: %v", gap.Shard, gap.After, cause),
		Data: data,
	})
}

// invoke runs the function once and tells the observer before the machine, so
// that no checkpoint is ever ahead of the deliveries that moved it.
func (s *shard) invoke(ctx context.Context, in Invoke) {
	answer := s.handOver(ctx, in)
	if ctx.Err() != nil && answer.HandedAt.IsZero() {
		return
	}
	s.repeat(ctx, in, answer)
	now := s.now()
	s.mu.Lock()
	s.machine.Answered(now, in.Lane, answer)
	s.keepTrials()
	s.mu.Unlock()
	signal(s.wake)
}

// handOver runs the function and tells the observer what it was given.
func (s *shard) handOver(ctx context.Context, in Invoke) bench.Answer {
	answer := s.mapping.config.Function.Invoke(ctx, bench.Invocation{RequestID: in.RequestID, Payload: in.Payload})
	if !answer.HandedAt.IsZero() && !answer.Throttled && len(in.Records) > 0 {
		// Settings do not change while something is in flight.
		s.mapping.config.Observer.Delivered(deliveries(s.id, in, answer, judge(s.mapping.config.Settings, in.Records, answer).took))
	}
	return answer
}

// strikeRepeat is the one kind of strike that a delivery knows.
const strikeRepeat = "mapping.repeat"

// repeat hands over once more what was taken, if a fault says so. Its answer
// changes nothing: the records are settled by the first.
func (s *shard) repeat(ctx context.Context, in Invoke, answer bench.Answer) {
	if answer.HandedAt.IsZero() || answer.Throttled || answer.Error != nil || len(in.Records) == 0 {
		return
	}
	strike := s.mapping.config.Injector.Ask(bench.Op{Place: bench.PlaceDelivery, Name: "Deliver"})
	if strike.Kind != strikeRepeat {
		return
	}
	if again := s.handOver(ctx, in); !again.HandedAt.IsZero() && !again.Throttled {
		s.mapping.config.Injector.Struck(strike)
	}
}

// deliveries makes one delivery a record of an invocation that was handed over,
// of whose records the function took some.
func deliveries(shard string, in Invoke, answer bench.Answer, took int) []bench.Delivery {
	failure := bench.DeliveryError
	if e := answer.Error; e != nil && e.Outcome != 0 {
		failure = e.Outcome
	}
	list := make([]bench.Delivery, len(in.Records))
	for i, r := range in.Records {
		outcome := bench.Delivered
		if i >= took {
			outcome = failure
		}
		list[i] = bench.Delivery{
			Shard: shard, Sequence: r.Sequence, ID: r.ID, Batch: in.Batch, Attempt: in.Attempt, At: answer.HandedAt, Outcome: outcome,
		}
	}
	return list
}

// send hands a document to the destination.
func (s *shard) send(ctx context.Context, send Send) {
	err := s.mapping.config.Destination.Send(ctx, send.Document, send.Records)
	if err != nil && ctx.Err() != nil {
		return
	}
	if err == nil {
		if letters := deadLetters(s.now(), send); len(letters) > 0 {
			s.mapping.config.Observer.DeadLettered(letters)
		}
	}
	s.mu.Lock()
	s.machine.Sent(send.Lane, err)
	s.keepTrials()
	s.mu.Unlock()
	signal(s.wake)
}

// deadLetters makes one dead letter a record: what was handed over, whether it
// can be read back later or not. Keys that are no ids of ours cannot be told by
// their number and are left out.
func deadLetters(now time.Time, send Send) []bench.DeadLetter {
	var letters []bench.DeadLetter
	for _, r := range send.Records {
		if id, err := bench.ParseKey(r.ID); err == nil {
			letters = append(letters, bench.DeadLetter{Seq: id.Seq, Readable: send.Document.Payload != "", At: now})
		}
	}
	return letters
}
