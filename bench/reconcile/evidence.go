package reconcile

import (
	"iter"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Evidence is everything that the judge may know of a run. It holds values,
// functions and iterators; the caller reads the files. An iterator may be gone
// through more than once, must give the same each time, and several of them may
// be under way at once.
type Evidence struct {
	IDs          bench.Numbering
	Architecture string    // bench.Streams, bench.Sync or bench.FireAndForget
	Started      time.Time // time of day of the start of load

	// The ledger. Attempts tells what the client did and saw of the requests from
	// first on; one that was sent and whose outcome nobody knows is Unknown. Numbers
	// run from 0 to Planned − 1. It is asked from several goroutines, each request
	// once.
	Planned        int64
	Attempts       func(first uint64, into []bench.Attempt)
	LedgerProblems []string

	// The plan. Due and Stage are pure functions that never fall as seq rises; Stages
	// is indexed by Stage. Digests gives what the digests of the payloads from first
	// on must be; nil: not known. All are asked from several goroutines.
	Due     func(seq uint64) time.Duration
	Stage   func(seq uint64) int
	Digests func(first uint64, into []bench.Digest)
	Stages  []Stage

	// Key is the key that a request writes, below Keys, where requests share them:
	// each is a version of its key's item. nil: each has an item of its own.
	// StreamWhole says that every record of the stream was seen, from the first write
	// to the last: what is not among the commits was not stored.
	Key         func(seq uint64) uint64
	Keys        uint64
	StreamWhole bool
	// PerKey says that the results table has one row for all versions of a key, which
	// shows one of them: what became of those that it does not show it cannot tell.
	PerKey bool
	// Answer is Attempts of one request, with the number of the attempt that decided;
	// asked with PerKey alone.
	Answer func(seq uint64) bench.Attempt

	// The tables. Sentinels is how many ids behind the plan are the harness's
	// own, written to prove the drain: they are neither judged nor unexpected.
	Reads           [2]Read
	Earlier         []Read // reads from before those two: what they found was there
	ReadProblems    []string
	ItemsObserved   bool  // an items table is named
	EffectsObserved bool  // a results table is named
	OneTable        bool  // effects are written onto the items: their own commits are no newer versions of them
	TablesShared    bool  // the tables are the user's own and hold other data: they were asked for this run's ids alone,
	TablesWhole     bool  // or read whole all the same
	CleanStart      *bool // the tables were seen to hold nothing of another run before the load; nil: nobody looked
	Sentinels       uint64

	// What the machines were seen to do; nil: not observed. They are evidence
	// of what happened, never of what did not: a log may lack its end.
	Commits    iter.Seq[bench.Commit]
	Deliveries iter.Seq[bench.Delivery]

	Faults    []Fault
	Guarantee Guarantee
	// Right gives the moment at which an effect was applied, of what its row says;
	// nil: the processor's clock was not seen to be off.
	Right   func(seq uint64, at time.Duration) time.Duration
	Drain   bench.Drain
	Blocked []bench.ShardPosition // shards that still failed when the drain gave up
	// Over holds the last position of each shard, where nothing was applied from
	// then to the end of the reads. Where the drain gave up, a record that was
	// settled by then is over all the same: what has no effect will have none.
	Over []bench.ShardPosition

	LoadFinished    bool   // the load came to the end of its plan
	Stopped         string // why the load was ended early, where a stop condition did; "": none
	HarnessFinished bool   // the run came to the end of its phases
	Interrupted     bool   // by a signal
	WorkerCapHit    bool   // the generator ran into its safety cap: the load was not open any more

	Timing     Timing
	Thresholds Thresholds

	// Window is how many ids are judged at a time; 0: all at once. Every iterator
	// is gone through once for each window.
	Window uint64
	// Found is given every finding, by seq, when all is judged.
	Found func(bench.Finding)

	// Halfway is told when more ids have their verdicts; what it is given is the
	// judge's own, and may be read until it returns. From is a judgement that was cut
	// off, to go on with; nil: begin.
	Halfway func(*Halfway)
	From    *Halfway

	cores uint64 // that share a window; 0: as many as it is worth. For tests
}

// Stage is one stage of the load.
type Stage struct {
	Name     string
	From, To time.Duration // from the start of load
	Warmup   bool
}

// Read is one final read of the tables.
type Read struct {
	Items       iter.Seq[*bench.Rows]
	Effects     iter.Seq[*bench.Rows]
	Latest      iter.Seq[*bench.Rows] // of versions: each key's row, as an effect of the version that it shows; see [bench.RowOfKey]
	DeadLetters iter.Seq[*bench.Rows] // nil: there is no destination to read
	Foreign     int64                 // keys that are no id of this run and agent
	ForeignIDs  []string              // the first few of them
	Complete    bool                  // every page was read: what is absent is known to be absent
	Fingerprint string                // equal for reads that found the same, whatever the order; the second is then not gone through
}

// Fault is one fault of the scenario, and what it did. Its window runs from
// the first strike to the end of its last; From = To is a moment without a
// width.
type Fault struct {
	Text       string
	From, To   time.Duration // from the start of load
	AcceptPath bool          // it strikes what stands between the client and its acknowledgement
	Planned    *int64        // strikes due; nil: not known beforehand
	Bitten     int64         // strikes seen where they strike
	Undone     bool          // confirmed

	// Reach is how much earlier than From a request could be due and still be under
	// way when the fault began; Lasts is how long a strike goes on behind To.
	Reach, Lasts time.Duration

	// Uncounted: it strikes by number, and the count of operations was lost with a
	// process. What it had not struck by then it never will.
	Uncounted bool
}

// EffectGuarantee is what the system promises about effects.
type EffectGuarantee string

// The guarantees.
const (
	ExactlyOnce EffectGuarantee = "exactly-once"
	AtLeastOnce EffectGuarantee = "at-least-once"
	NoGuarantee EffectGuarantee = "none" // effects are not promised: their absence fails nothing
)

// Guarantee is what the system is held to.
type Guarantee struct {
	Effects            EffectGuarantee // "" means ExactlyOnce
	DeadLettersAllowed bool
	// Deadline is the longest completion time (due to effect) of an
	// acknowledged request that is not late; 0: none.
	Deadline time.Duration
}

// Timing is what the timing gates look at; nil: not measured.
type Timing struct {
	SendDelayP99 *time.Duration
	ResponseP99  *time.Duration
	GeneratorCPU *float64 // share of the CPU time that the generator could have had, 0 to 1
}

// Thresholds are those of the gates. The zero value of each means its default.
type Thresholds struct {
	RateKept        float64       // share of planned that every stage must send; 0.95
	AroundFaults    int64         // requests sent before, inside and after a fault, at most this many are asked for; 100
	AroundShare     float64       // of planned, where that is less; 0.10
	SendDelay       time.Duration // p99 that is always good enough; 5 ms
	SendDelayShare  float64       // of the response p99, where that is more; 0.10
	GeneratorCPUMax float64       // 0.80
}

// withDefaults fills in what is zero.
func (t Thresholds) withDefaults() Thresholds {
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&t.RateKept, 0.95)
	def(&t.AroundShare, 0.10)
	def(&t.SendDelayShare, 0.10)
	def(&t.GeneratorCPUMax, 0.80)
	if t.AroundFaults == 0 {
		t.AroundFaults = 100
	}
	if t.SendDelay == 0 {
		t.SendDelay = 5 * time.Millisecond
	}
	return t
}

// Account is the judgement.
type Account struct {
	Verdict    bench.Verdict
	Reasons    []bench.Reason // of a fail first, then of an unknown
	Requests   bench.Requests
	Items      bench.Items
	PhaseItems []bench.Items   // by stage; ids beyond the plan are in none
	Control    *bench.Control  // nil: no fault was planned
	FaultLoss  []int64         // by fault: ids that may have been lost to it
	Findings   []bench.Finding // the first MaxFindings, by seq; Evidence.Found is given every one
	Deliveries bench.Deliveries
	Gates      []bench.GateResult // account gates, then timing gates

	judged []judged
	extra  []extraID
}

// Of gives the verdict of one id; NoVerdict: it was not sent, and nothing was
// found of it.
func (a *Account) Of(seq uint64) bench.ItemVerdict {
	if seq < uint64(len(a.judged)) {
		return a.judged[seq].verdict()
	}
	for _, x := range a.extra {
		if x.seq == seq {
			return bench.Unexpected
		}
	}
	return bench.NoVerdict
}

// seesUnsent reports whether an id of the run that was never sent would have been
// found in the tables.
func (e *Evidence) seesUnsent() bool { return !e.TablesShared || e.TablesWhole }
