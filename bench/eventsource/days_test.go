package eventsource

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// days is a stream that gets a record every half minute and keeps it for a day,
// in virtual time, and a function that is down for a while.
type days struct {
	m            *Machine
	now, end     time.Time
	down, healed time.Time
	next         int // record that the iterator stands at
	delivered    []bool
	attempts     int
	gaps         int
	given        int // records in documents
}

const everyRecord = 30 * time.Second

func (d *days) created(n int) time.Time { return epoch.Add(time.Duration(n) * everyRecord) }

// oldest and newest bound what the stream has at this time.
func (d *days) oldest() int {
	age := d.now.Sub(epoch) - retention
	return max(0, int((age+everyRecord-1)/everyRecord))
}

func (d *days) newest() int { return min(int(d.now.Sub(epoch)/everyRecord), len(d.delivered)-1) }

func (d *days) poll(t *testing.T, p Poll) {
	switch p.From.Kind {
	case Horizon:
		d.next = d.oldest()
	default:
		if d.next < d.oldest() {
			if d.m.PollFailed(DataTrimmed) == nil {
				t.Fatal("a gap was not returned")
			}
			d.gaps++
			return
		}
	}
	var page []types.Record
	for ; d.next <= d.newest() && len(page) < p.Limit; d.next++ {
		page = append(page, streamRecord(d.next, d.created(d.next), "p"))
	}
	if err := d.m.Polled(d.now, page, d.now.After(d.end) && d.next == len(d.delivered)); err != nil {
		t.Fatal(err)
	}
}

func (d *days) run(t *testing.T) {
	for {
		switch a := d.m.Next(d.now).(type) {
		case Poll:
			d.poll(t, a)
		case Invoke:
			d.attempts++
			if d.now.After(d.down) && d.now.Before(d.healed) {
				d.m.Answered(d.now, a.Lane, failure(d.now))
				continue
			}
			for _, r := range a.Records {
				id, err := bench.ParseID(r.ID)
				if err != nil || d.delivered[id.Seq] {
					t.Fatalf("record %s is delivered twice (%v)", r.ID, err)
				}
				d.delivered[id.Seq] = true
			}
			d.m.Answered(d.now, a.Lane, success(d.now))
		case Send:
			d.given += len(a.Records)
			d.m.Sent(a.Lane, nil)
		case Wait:
			d.now = a.Until
		case End:
			return
		}
	}
}

// TestDaysOfOperation: four days, of which the function is down for thirty hours
// of the second and third. Every record is accounted for.
func TestDaysOfOperation(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bench.Mapping)
		check  func(d *days, lost int, n Counters) bool
	}{
		// What the shard holds ends with the stream's retention as what it could
		// not read does: without a document, and without being counted as dropped.
		{"retry for ever", func(*bench.Mapping) {}, func(d *days, lost int, n Counters) bool {
			return d.gaps == 1 && lost > 650 && lost < 750 && n.Dropped == 0 // six hours of records
		}},
		{"give up after an hour", func(s *bench.Mapping) { s.MaximumRecordAgeInSeconds, s.OnFailure = 3600, "payload" },
			func(d *days, lost int, n Counters) bool {
				return d.gaps == 0 && lost == d.given && lost > 29*120-10 && lost < 29*120+10 && n.DeadLettered == int64(lost)
			}},
		{"give up after three tries", func(s *bench.Mapping) { s.MaximumRetryAttempts, s.BisectBatchOnFunctionError = 2, true },
			func(d *days, lost int, n Counters) bool {
				return d.gaps == 0 && n.Dropped == int64(lost) && lost > 3590 && lost < 3610 // all of the thirty hours
			}},
	} {
		s := defaults()
		s.PollInterval = 10 * time.Second
		c.change(&s)
		const total = int(4 * 24 * time.Hour / everyRecord)
		d := &days{m: newTestMachine(s), now: epoch, delivered: make([]bool, total), end: epoch.Add(4 * 24 * time.Hour),
			down: epoch.Add(30 * time.Hour), healed: epoch.Add(60 * time.Hour)}
		d.run(t)
		lost := 0
		for _, ok := range d.delivered {
			if !ok {
				lost++
			}
		}
		n := d.m.Counters()
		if !c.check(d, lost, n) {
			t.Errorf("%s: %d of %d lost, %d gaps, %d in documents, %+v", c.name, lost, total, d.gaps, d.given, n)
		}
		if n.Settled != int64(total-lost) || d.m.Position().Behind != 0 {
			t.Errorf("%s: %d delivered, %+v", c.name, total-lost, n)
		}
	}
}
