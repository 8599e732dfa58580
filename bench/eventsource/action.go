package eventsource

import "time"

// Action is what a machine wants done next: one of [Poll], [Invoke], [Send],
// [Wait] and [End].
type Action interface{ action() }

// Poll asks for the shard's next records. It is answered with
// [Machine.Polled] or [Machine.PollFailed] before anything else is asked.
type Poll struct {
	From  From
	Limit int // records at most, 1 to 1,000
}

// Invoke asks for one invocation of the function. It is answered with
// [Machine.Answered]; meanwhile other lanes go on.
type Invoke struct {
	Lane      int    // 0 to ParallelizationFactor - 1
	Batch     uint64 // number of the batch, kept over its retries
	Attempt   int    // 1 for the first invocation of the batch; throttled calls do not count
	RequestID string // UUID, kept over the retries of an unchanged batch, as AWS does
	Payload   []byte // the event; not to be changed
	Records   []Record
}

// Send asks for the delivery of a document to the on-failure destination. It
// is answered with [Machine.Sent]; meanwhile other lanes go on.
type Send struct {
	Lane     int
	Document Document
	Records  []Record
}

// Wait says that nothing is to be done before a time, or an answer. A zero time
// says that only an answer can bring work.
type Wait struct{ Until time.Time }

// End says that the shard is closed and everything in it is settled. Its
// children may be started now.
type End struct{}

func (Poll) action()   {}
func (Invoke) action() {}
func (Send) action()   {}
func (Wait) action()   {}
func (End) action()    {}

// From is where a poll reads on.
type From struct {
	Kind     FromKind
	Sequence string // of AfterSequence
}

// FromKind says how to come by the iterator of a poll.
type FromKind uint8

// The kinds.
const (
	Horizon       FromKind = iota + 1 // a new iterator at the oldest record that is left
	Latest                            // a new iterator behind the newest record there is
	AfterSequence                     // a new iterator behind From.Sequence
	Continue                          // the iterator that the last poll gave
)

// ReadFault is why a poll failed, as far as it matters for what comes next.
type ReadFault uint8

// The read faults.
const (
	ReadError       ReadFault = iota + 1 // anything that may pass: throttled, refused, no connection
	IteratorExpired                      // the iterator was older than 15 minutes
	DataTrimmed                          // the place to read on from is no longer in the stream
)
