package bench

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"time"
)

// Architectures that ackproof knows, as scenarios and reports name them.
const (
	Streams       = "streams"         // PutItem; the stream invokes the processor
	Sync          = "sync"            // invoke the processor and wait
	FireAndForget = "fire-and-forget" // invoke the processor asynchronously, nothing stored first
)

// Architectures lists them in the order in which they are compared.
func Architectures() []string { return []string{Streams, Sync, FireAndForget} }

// Target is a system under test as the run sees it. Its methods are called
// from one goroutine at a time, except Position, which may be called while
// another method runs.
type Target interface {
	// Name is local, http or aws.
	Name() string
	// Lacks says what the target cannot do of the stack, one sentence each:
	// a fault place it does not have, a setting it does not model. A run is
	// refused before its first request if it lacks anything.
	Lacks(Stack) []string
	// Start brings the system up for one run, with empty tables that carry the
	// run's id, ready to take requests. Until Stop returns, what happens in it
	// is told to events, from any goroutine.
	Start(ctx context.Context, stack Stack, events func(Event)) (Endpoints, error)
	// Begin arms fault i (an index into Stack.Faults) or, where it is armed
	// already, adds one strike. End takes it away and returns only when it is
	// confirmed undone.
	Begin(ctx context.Context, fault int) error
	End(ctx context.Context, fault int) error
	// Bites reports how often each fault has struck, counted where it strikes.
	Bites(ctx context.Context) ([]Bites, error)
	// Position reports how far the pipeline has come. A target that cannot see
	// that returns ErrPositionWithheld, and the drain is proven in another way.
	Position(ctx context.Context) (Position, error)
	// DeadLetters reads what was handed to the on-failure destination; nil: nobody
	// can look, which is not the same as none.
	DeadLetters(ctx context.Context) ([]DeadLetter, error)
	// Stop takes the system down and leaves nothing behind. It may be called
	// twice, and after a failed Start.
	Stop() error
}

// ErrPositionWithheld says that a target does not show how far its pipeline has
// come.
var ErrPositionWithheld = errors.New("the target does not show how far its pipeline has come")

// Dialer is a [Target] that is not on the machine's network: whoever wants to
// talk to its endpoints opens the connections through it.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Shared is a [Target] that may have been there before the run, and be loaded by
// several agents of one run at once. The first of them alone breaks it.
type Shared interface {
	Shared() bool
}

// OnTheWay is a [Target] whose API is not ours: what strikes between client and API
// must be struck by the client.
type OnTheWay interface {
	OnTheWay() Injector
}

// Outliving is a [Target] whose faults outlive a run that is killed. What undoes
// them is on disk before they begin.
type Outliving interface {
	// Patience bounds how long such a fault may take to be in force, and to be confirmed
	// undone; 0: the target has none. Faults begin and end beside each
	// other then, the end of one when it has begun.
	Patience() time.Duration
	// Outlives reports whether a fault of a stack does, started or not; the others end
	// with the run.
	Outlives(stack Stack, fault int) bool
	// Undoing is the command that undoes all that is open and succeeds when that is
	// confirmed, whoever runs it and as often as it is run.
	Undoing() []string
}

// Stack is the system under test as a run wants it: what the scenario says,
// with defaults filled in, in plain values that can be handed to another
// process as JSON.
type Stack struct {
	Run          RunID
	Agent        int // of several that load one system, from 1; 0: one alone
	Seed         uint64
	Architecture string
	Shards       int
	ViewType     string // NEW_IMAGE, NEW_AND_OLD_IMAGES, ...
	OneTable     bool   // effects are written onto the items; there is no results table
	TimeToLive   string // attribute of the items that says when they expire; empty: they do not
	Processor    Processor
	Mapping      Mapping
	Async        Async
	Gateway      Gateway
	Faults       []string // texts
	Dir          string   // the run directory: deliveries/ and processor.log are written there
	Data         string   // where the embedded DynamoDB keeps its data; empty: in memory. Data of another run make the stack that run's
	Scratch      bool     // Data is for this run alone: Stop removes it
	System       System   // a system that is not ours, where the target is one; the rest then describes it
}

// System names a system that was there before the run and is there after it.
type System struct {
	URL      string // of the API, in front of the request's path
	DynamoDB string // URL of the endpoint; empty: AWS's own of the region
	Region   string
	Profile  string // of the user's AWS configuration
	Items    string // table; empty: nobody can look
	Results  string // table; empty: nobody can look
	Attributes
	ByKey  bool   // the tables are asked for the run's own ids: they must be the keys
	Stream string // auto, none, or an ARN

	LetterQueue  string // the on-failure destination: a queue of SQS, by URL or name,
	LetterBucket string // or a bucket of S3; both empty: nobody looks for dead letters
}

// Letter is what an on-failure destination holds of one hand-over: the message of a
// queue, or the object of a bucket.
type Letter struct {
	At   time.Time // when it came
	Body []byte
}

// LetterBox is the on-failure destination of a system that is not ours.
type LetterBox interface {
	// Letters gives each letter that has come since a moment, once however often it is
	// asked, one at a time. It removes none. An error says that there may be more.
	Letters(ctx context.Context, since time.Time, each func(Letter) error) error
	// Close lets go of the letters that others could not see meanwhile.
	Close(ctx context.Context) error
}

// Alarm is how an alarm of CloudWatch stands.
type Alarm struct {
	On     bool   // its state is ALARM
	State  string // OK, ALARM or INSUFFICIENT_DATA
	Reason string // of its last change, as CloudWatch tells it
}

// Attributes are the names of what a row of items or effects says; empty: it does
// not say that.
type Attributes struct {
	ItemID      string `json:"item_id"`
	Payload     string `json:"payload,omitempty"`
	EffectID    string `json:"effect_id"`
	Count       string `json:"count,omitempty"`        // how often the effect was applied
	Sequence    string `json:"sequence,omitempty"`     // of the record that it was made of
	Digest      string `json:"digest,omitempty"`       // of the payload
	ProcessedAt string `json:"processed_at,omitempty"` // ms or s since 1970, or RFC 3339
	Version     string `json:"version,omitempty"`      // of an item that is written again and again: which write it is, see [WriterOf]
	// EffectVersion is that of the item whose effect a row shows.
	EffectVersion string `json:"effect_version,omitempty"`
	// PerKey says that there is one row for all versions of an item, and none for each.
	PerKey bool `json:"per_key,omitempty"`
}

// OwnAttributes are the names in the tables of a system of our own.
func OwnAttributes() Attributes {
	return Attributes{
		ItemID: "id", Payload: "payload", EffectID: "id", Count: "count", Sequence: "sequence", Digest: "digest", ProcessedAt: "processedAt",
		Version: "version", EffectVersion: "version",
	}
}

// Processor is the function under test.
type Processor struct {
	Path        string        // a Lambda binary, a package, or a command; empty: the built-in StreamProcessor
	Env         []string      // K=V, beside what Lambda sets
	Work        time.Duration // per record, waiting
	Burn        time.Duration // per record, computing
	Timeout     time.Duration // of one invocation
	Concurrency int           // processes at most
	MemoryMB    int           // that each may hold, 0: no limit
}

// Mapping holds the settings of the event source mapping under AWS's names.
// For the two limits, -1 is for ever. The last four are no settings of AWS's
// own: they stand for what it does without being asked.
type Mapping struct {
	BatchSize                      int
	MaximumBatchingWindowInSeconds int
	ParallelizationFactor          int // lanes a shard: batches of it that may be in flight at once
	MaximumRetryAttempts           int
	MaximumRecordAgeInSeconds      int
	BisectBatchOnFunctionError     bool
	StartingPosition               string        // TRIM_HORIZON or LATEST
	FunctionResponseTypes          []string      // ReportBatchItemFailures, or nothing
	FilterCriteria                 []string      // event patterns, of which one must match; none: every record does
	TumblingWindowInSeconds        int           // 0: no window
	OnFailure                      string        // "", "payload": as S3 gets it, or "metadata": as SQS and SNS do
	StartDelay                     time.Duration // from start, update and enable to the first poll; minutes in AWS
	PollInterval                   time.Duration // 250 ms in AWS
	RetryBase                      time.Duration // first back-off, doubling; 200 ms in AWS as observed
	RetryCap                       time.Duration
}

// Async holds Lambda's settings for asynchronous invocation.
type Async struct {
	MaximumRetryAttempts     int
	MaximumEventAgeInSeconds int
	RetryDelays              []time.Duration // after the first, second, ... failure: 60 s and 120 s in AWS
	OnFailure                string          // "", or "payload": a destination that is given the event itself
}

// Gateway holds the API's settings. All but Path may be left zero for the
// gateway's own defaults; Template to MethodResponses are those of the PutItem
// integration and mean nothing in front of a function.
type Gateway struct {
	Path     string // POST goes here
	Template string // mapping template; "none": the API has none

	// StatusMapping says how DynamoDB's status becomes the client's: mapped (the
	// default), naive, which is 200 whatever happened, or responses, which is
	// what Responses lists.
	StatusMapping   string
	Responses       []IntegrationResponse
	MethodResponses []int // statuses that the method declares; empty: all that Responses names

	// Defect breaks the API on purpose, in a way that no setting can: lose-nth=K,
	// early-answer or write-twice. Empty: it does what it should.
	Defect string

	Passthrough        string        // of bodies that the template is not for: NEVER (the default), WHEN_NO_MATCH, WHEN_NO_TEMPLATES
	IntegrationTimeout time.Duration // 50 ms to 29 s, the default
	Throttle           Throttle
}

// IntegrationResponse is one way of answering a client.
type IntegrationResponse struct {
	Pattern  string // regular expression that the integration's whole status must match; empty: the default
	Status   int    // that the client gets
	Template string // of the answer's body; empty: the integration's body as it is
}

// Throttle is a token bucket in front of the API.
type Throttle struct {
	Rate  float64 // requests per second, 0: 10,000
	Burst int     // requests at once, 0: 5,000
}

// Endpoints is where a started system can be reached.
type Endpoints struct {
	API          string      `json:"api"`      // URL that requests are sent to
	DynamoDB     string      `json:"dynamodb"` // URL of the DynamoDB endpoint, empty: AWS's own
	Region       string      `json:"region"`
	ItemsTable   string      `json:"items_table"`          // empty: nobody can look
	ResultsTable string      `json:"results_table"`        // empty: nobody can look
	StreamARN    string      `json:"stream,omitempty"`     // of a system that is not ours, where its stream is read
	Profile      string      `json:"profile,omitempty"`    // of the user's AWS configuration, whose credentials open the tables
	Attributes   *Attributes `json:"attributes,omitempty"` // nil: those of a system of our own
	Outside      string      `json:"outside,omitempty"`    // URL of the DynamoDB that is behind, where it is not the embedded one
}

// Observer is told what the machines do. It is safe for concurrent use and
// must be quick: it is called on the path of the work.
type Observer interface {
	Committed(Commit)
	Delivered([]Delivery) // one invocation, when it has ended
	DeadLettered([]DeadLetter)
	Event(Event)
}

// NoObserver is the Observer that forgets everything.
type NoObserver struct{}

// Committed does nothing.
func (NoObserver) Committed(Commit) {}

// Delivered does nothing.
func (NoObserver) Delivered([]Delivery) {}

// DeadLettered does nothing.
func (NoObserver) DeadLettered([]DeadLetter) {}

// Event does nothing.
func (NoObserver) Event(Event) {}

// Event is one line of events.jsonl. In memory it carries the time of day; the
// file gives T in ms from the start of load.
type Event struct {
	At    time.Time
	Kind  EventKind
	PID   int             // of the process concerned, 0: none
	Fault *int            // index of the fault concerned
	Text  string          // for people
	Data  json.RawMessage `json:",omitempty"`
}

// EventKind is what an event is about.
type EventKind string

// The kinds of events.
const (
	EventPhase          EventKind = "phase"           // a phase of the run begins; Text names it
	EventFaultBegin     EventKind = "fault_begin"     // a fault is armed, or strikes again
	EventFaultEnd       EventKind = "fault_end"       // a fault is confirmed undone
	EventStrike         EventKind = "strike"          // a fault has struck; PID where a process was hit
	EventProcessorStart EventKind = "processor_start" // a processor process has asked for work for the first time
	EventProcessorDeath EventKind = "processor_death" // a processor process is gone; Text says how
	EventTargetDeath    EventKind = "target_death"    // a process of the target itself is gone unasked, for good
	EventTargetReturn   EventKind = "target_return"   // a process of the target itself was gone and is up again, on its data
	EventEvidence       EventKind = "evidence"        // Data holds evidence that the judge needs
)

// Bites says how often a fault struck.
type Bites struct {
	Planned int64 // strikes due, or operations seen × share; -1: nobody knows
	Bitten  int64
}

// FaultState is how far a fault has come: what another set of the same faults
// must know to go on in the place of one whose process is gone.
type FaultState struct {
	Armed   bool
	Begun   uint64 // strikes due so far, those that the share left out included
	Pending int    // of them, those that wait for their operation
	Bites
}

// Position says how far the pipeline has come, for the drain proof and the
// live view.
type Position struct {
	Committed int64 // writes to the items table so far
	Effects   int64 // applications of effects so far
	Shards    []ShardPosition
	Queued    int // asynchronous events waiting
	Open      int // invocations under way
	// Unseen counts writes to the items table that are done and that the stream
	// has not shown yet; the embedded engine has none.
	Unseen int
}

// ShardPosition is the state of one shard of the stream.
type ShardPosition struct {
	Shard      string
	Last       string // sequence number of the newest record, "" without one
	Checkpoint string // everything up to it is settled
	Oldest     string // sequence number of the oldest record that is read and not settled, "" without one: what is before it is over
	Behind     int    // records not settled
	Head       *Head  // the record at the head of a batch that fails, if it does
}

// Head is the record that holds a shard up.
type Head struct {
	ID       string
	Sequence string
	Attempts int    // invocations that have failed
	Error    string // of the last one
}

// Drained reports whether nothing is left to be done: every checkpoint is at
// the last record, every write has its record, no event waits and no invocation
// is open.
func (p Position) Drained() bool {
	for _, s := range p.Shards {
		if s.Behind > 0 || s.Last != s.Checkpoint {
			return false
		}
	}
	return p.Queued == 0 && p.Open == 0 && p.Unseen == 0
}

// Function is a Lambda function as its callers see it: the event source mapping
// and the gateway.
type Function interface {
	// Invoke runs the function once and waits for its end. It returns early
	// only when ctx ends.
	Invoke(ctx context.Context, in Invocation) Answer
}

// Invocation is one call of the function.
type Invocation struct {
	RequestID string
	Payload   []byte // JSON
}

// Answer is how an invocation ended.
type Answer struct {
	Payload []byte         // JSON, of a success
	Error   *FunctionError // nil: success
	// Throttled: refused before it ran (429 TooManyRequestsException). Nothing
	// was handed over, and it spends no retry.
	Throttled bool
	// Disabled: throttled because the function's reserved concurrency is 0, which
	// is meant to last, and not because too many run already.
	Disabled bool
	HandedAt time.Time // when the event was handed to a process; zero: never
}

// FunctionError is a failed invocation.
type FunctionError struct {
	Type    string          // Runtime.ExitError, Sandbox.Timedout, the handler's own
	Message string          // for people
	Outcome DeliveryOutcome // DeliveryError, DeliveryTimeout or DeliveryCrash
}

// Progress is what the live view shows of a run under way.
type Progress struct {
	Elapsed      time.Duration // since the start of load
	Total        time.Duration // of the load
	Step         string        // starting, load, undoing, draining, reading, judging
	Stage        string        // of the load
	Rate         float64       // requests sent in the last second
	Sent         int64
	Planned      int64
	Acknowledged int64
	Refused      int64
	Unknown      int64
	P50, P99     time.Duration // of response time in the last second
	Backlog      int64         // stored, or accepted, and without effect; -1: not known
	Faults       []string      // texts of those that are armed now
	Bitten       int64
}
