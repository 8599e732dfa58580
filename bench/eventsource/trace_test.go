package eventsource

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

const testShard = "shardId-00000001767323045000-0000000a"

func newTestMachine(settings bench.Mapping) *Machine {
	return NewMachine(MachineConfig{
		Settings: settings, Shard: testShard, Number: 3, StreamARN: testSource.streamARN,
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:p", Region: "us-east-1", Seed: 42,
	})
}

// Answers of the function.
func success(now time.Time) bench.Answer { return bench.Answer{HandedAt: now} }

func failure(now time.Time) bench.Answer {
	return bench.Answer{HandedAt: now, Error: &bench.FunctionError{Type: "Boom", Message: "no luck", Outcome: bench.DeliveryError}}
}

func throttle(time.Time) bench.Answer { return bench.Answer{Throttled: true} }

// trace drives a machine in virtual time over a closed shard, and notes what it
// does. Answers take no time.
type trace struct {
	machine *Machine
	now     time.Time
	pages   [][]types.Record         // one a poll; the last one closes the shard
	answer  func(n int) bench.Answer // of the n-th call, 0-based
	takes   error                    // the destination's answer
	until   time.Time                // gives up at this time; zero: 48 h
	invokes []Invoke                 // all calls, throttled ones too
	at      []time.Duration          // of each call, from the start
	polls   []time.Duration          // of each poll
	sent    []Send
	limits  []int
	ended   bool
}

func (tr *trace) run(t *testing.T) {
	t.Helper()
	if tr.now.IsZero() {
		tr.now = epoch
	}
	start := tr.now
	if tr.until.IsZero() {
		tr.until = start.Add(48 * time.Hour)
	}
	for steps := 0; !tr.now.After(tr.until); steps++ {
		if steps > 100_000 {
			t.Fatalf("no end after %d steps, at %v", steps, tr.now.Sub(start))
		}
		switch a := tr.machine.Next(tr.now).(type) {
		case Poll:
			tr.polls = append(tr.polls, tr.now.Sub(start))
			tr.limits = append(tr.limits, a.Limit)
			var page []types.Record
			if len(tr.pages) > 0 {
				page, tr.pages = tr.pages[0], tr.pages[1:]
			}
			if err := tr.machine.Polled(tr.now, page, len(tr.pages) == 0); err != nil {
				t.Fatal(err)
			}
		case Invoke:
			tr.at = append(tr.at, tr.now.Sub(start))
			tr.invokes = append(tr.invokes, a)
			tr.machine.Answered(tr.now, a.Lane, tr.answer(len(tr.invokes)-1))
		case Send:
			tr.sent = append(tr.sent, a)
			tr.machine.Sent(a.Lane, tr.takes)
		case Wait:
			if !a.Until.After(tr.now) {
				t.Fatalf("wait until %v, which is not after %v", a.Until, tr.now)
			}
			tr.now = a.Until
		case End:
			tr.ended = true
			return
		}
	}
}

func always(a func(time.Time) bench.Answer) func(int) bench.Answer {
	return func(int) bench.Answer { return a(epoch) }
}

func records(from, to int, created time.Time) []types.Record {
	var page []types.Record
	for n := from; n <= to; n++ {
		page = append(page, streamRecord(n, created, "p"))
	}
	return page
}

// numbers gives the records of a call as the numbers they were made of.
func numbers(list []Record) string {
	var b strings.Builder
	for _, r := range list {
		id, err := bench.ParseID(r.ID)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "%d ", id.Seq)
	}
	return strings.TrimSpace(b.String())
}

func factsOf(from, to int) []Record {
	var list []Record
	for n := from; n <= to; n++ {
		list = append(list, Record{ID: bench.ID{Run: "k3v9x2ab", Seq: uint64(n)}.String()})
	}
	return list
}
