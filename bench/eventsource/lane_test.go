package eventsource

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// ofItems makes records of which each belongs to an item, in their order.
func ofItems(items ...string) []types.Record {
	var page []types.Record
	for i, item := range items {
		r := streamRecord(i+1, epoch, "p")
		r.Dynamodb.Keys = values{"id": &attrS{Value: item}}
		page = append(page, r)
	}
	return page
}

// twoLanes finds names of items that two lanes part.
func twoLanes(t *testing.T, m *Machine) (a, b string) {
	t.Helper()
	lane := func(item string) int {
		l, err := m.laneOf(&ofItems(item)[0])
		if err != nil {
			t.Fatal(err)
		}
		return l.number
	}
	for n := range 100 {
		if b = fmt.Sprint("item", n); lane(b) != lane("item") {
			return "item", b
		}
	}
	t.Fatal("a hundred items share a lane with one")
	return "", ""
}

// TestLanesOvertake: while the batch of one lane is in flight, or fails, the
// other lane goes on; the checkpoint waits for the older one.
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
func TestLanesOvertake(t *testing.T) {
	s := defaults()
	s.ParallelizationFactor, s.BatchSize = 2, 2
	m := newTestMachine(s)
	a, b := twoLanes(t, m)
	now := epoch
	poll, ok := m.Next(now).(Poll)
	if !ok || poll.Limit != 4 {
		t.Fatalf("%+v, want a poll for a full batch in each lane", poll)
	}
	if err := m.Polled(now, ofItems(a, b, a, b), false); err != nil {
		t.Fatal(err)
	}
	first, second := m.Next(now).(Invoke), m.Next(now).(Invoke)
	if first.Lane == second.Lane || len(first.Records) != 2 || len(second.Records) != 2 {
		t.Fatalf("%+v and %+v, want a batch of two in each lane", first, second)
	}
	if w, ok := m.Next(now).(Wait); !ok || !w.Until.IsZero() {
		t.Fatalf("%+v with all lanes in flight, want a wait for an answer", w)
	}
	if first.Records[0].Sequence != sequenceText(1) {
		first, second = second, first
	}
	m.Answered(now, second.Lane, success(now)) // records 2 and 4
	if p := m.Position(); p.Checkpoint != "" || p.Behind != 2 {
		t.Errorf("position %+v: the checkpoint has passed record 1", p)
	}
	// The other lane waits for records, so there is reading on, for what is left
	// of two batches.
	if p, ok := m.Next(now).(Poll); !ok || p.Limit != 2 {
		t.Fatalf("%+v, want a poll for 2", p)
	}
	more := ofItems(a, b, a, b, a, b)[4:]
	if err := m.Polled(now, more, false); err != nil {
		t.Fatal(err)
	}
	m.Answered(now, first.Lane, failure(now))
	if p := m.Position(); p.Head == nil || p.Head.Sequence != sequenceText(1) || p.Behind != 4 {
		t.Errorf("position %+v, head %+v", p, p.Head)
	}
	third, ok := m.Next(now).(Invoke)
	if !ok || third.Lane != second.Lane || third.Records[0].Sequence != sequenceText(6) {
		t.Fatalf("%+v, want record 6 beside the batch that waits for its retry", third)
	}
	now = now.Add(time.Second)
	retry, ok := m.Next(now).(Invoke)
	if !ok || retry.RequestID != first.RequestID || retry.Attempt != 2 {
		t.Fatalf("%+v, want the first batch again", retry)
	}
	m.Answered(now, retry.Lane, success(now))
	if p := m.Position(); p.Checkpoint != sequenceText(4) || p.Behind != 2 || p.Head != nil {
		t.Errorf("position %+v, want all of the first page settled", p)
	}
}

// TestBlockedLaneBlocksTheShardInTheEnd: the others go on until the records that
// wait behind the blocked one fill what may be held.
func TestBlockedLaneBlocksTheShardInTheEnd(t *testing.T) {
	s := defaults()
	s.ParallelizationFactor, s.BatchSize = 2, 10
	m := newTestMachine(s)
	a, b := twoLanes(t, m)
	var pages [][]types.Record
	for n := 0; n < 100; n += 2 {
		pages = append(pages, []types.Record{})
		for i, item := range []string{a, b} {
			r := ofItems(item)[0]
			r.Dynamodb.SequenceNumber = ptr(sequenceText(n + i))
			pages[n/2] = append(pages[n/2], r)
		}
	}
	tr := &trace{machine: m, pages: append(pages, nil), until: epoch.Add(22 * time.Hour)}
	tr.answer = func(n int) bench.Answer {
		if tr.invokes[n].Records[0].ID == a {
			return failure(epoch)
		}
		return success(epoch)
	}
	tr.run(t)
	p := m.Position()
	if p.Checkpoint != "" || p.Behind != 20 || p.Head == nil || p.Head.ID != a {
		t.Errorf("position %+v, head %+v, want 20 records held", p, p.Head)
	}
	if c := m.Counters(); c.Settled != 20 {
		t.Errorf("the other lane settled %d records, want the 20 that came with those held", c.Settled)
	}
	tr.answer, tr.until = always(success), tr.now.Add(time.Hour)
	tr.run(t)
	if c := m.Counters(); !tr.ended || c.Settled != 100 {
		t.Errorf("after healing: ended %v, %d settled", tr.ended, c.Settled)
	}
}

func ptr[T any](v T) *T { return &v }

// TestRestart: from the checkpoint on everything is read again, also what
// another lane had settled beyond it.
func TestRestart(t *testing.T) {
	s := defaults()
	s.ParallelizationFactor = 2
	m := newTestMachine(s)
	a, b := twoLanes(t, m)
	m.Next(epoch)
	if err := m.Polled(epoch, ofItems(a, b, b), false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if in := m.Next(epoch).(Invoke); in.Records[0].ID == b {
			m.Answered(epoch, in.Lane, success(epoch))
		} else {
			m.Answered(epoch, in.Lane, failure(epoch))
		}
	}
	before := m.Counters()
	m.Restart(s, nil)
	if p := m.Position(); p.Checkpoint != "" || p.Behind != 0 || m.Counters() != before {
		t.Errorf("position %+v", p)
	}
	if p := m.Next(epoch).(Poll); p.From != (From{Kind: Horizon}) {
		t.Errorf("%+v", p)
	}
	if err := m.Polled(epoch, ofItems(a, b, b), false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		in := m.Next(epoch).(Invoke)
		if in.Attempt != 1 || in.Batch == uint64(3)<<32 || in.Batch == uint64(3)<<32+1 {
			t.Errorf("attempt %d of batch %d: want a new batch", in.Attempt, in.Batch)
		}
		m.Answered(epoch, in.Lane, success(epoch))
	}
	m.Restart(s, nil)
	if p := m.Next(epoch).(Poll); p.From != (From{Kind: AfterSequence, Sequence: sequenceText(3)}) || m.Position().Checkpoint != sequenceText(3) {
		t.Errorf("%+v, want to go on at the checkpoint", p)
	}
	m.Restart(s, &From{Kind: Latest}) // and the poll under way is forgotten
	if p := m.Next(epoch).(Poll); p.From != (From{Kind: Latest}) || m.Position().Checkpoint != "" {
		t.Errorf("%+v, want the end of the shard", p)
	}
}

// TestLatestReadFaults: a shard that is begun at its end and has read nothing
// must not jump to the new end when a read fails.
func TestLatestReadFaults(t *testing.T) {
	config := newTestMachine(defaults()).config
	config.From = From{Kind: Latest}
	r := &reader{NewMachine(config), t, epoch}
	r.polls(From{Kind: Latest}, false)
	r.PollFailed(ReadError) // no iterator was made yet: the end moves on, as on AWS
	r.polls(From{Kind: Latest}, true)
	if err := r.Polled(r.now, nil, false); err != nil {
		t.Fatal(err)
	}
	r.polls(From{Kind: Continue}, true)
	r.PollFailed(ReadError)
	r.polls(From{Kind: Continue}, true)
	if gap := r.PollFailed(IteratorExpired); gap == nil || gap.After != "" {
		t.Errorf("gap %+v: what came since the iterator was made is missed", gap)
	}
	r.polls(From{Kind: Latest}, false)
	r.gets(records(5, 6, epoch), "5 6")
	r.polls(From{Kind: Continue}, true)
	r.PollFailed(ReadError)
	r.polls(From{Kind: AfterSequence, Sequence: sequenceText(6)}, true)
}
