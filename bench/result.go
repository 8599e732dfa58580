package bench

// ResultSchema is the value of Result.Schema. Keys are stable within it.
const ResultSchema = "ackproof.result/v1"

// MaxFindings is how many findings result.json carries; findings.jsonl has all.
const MaxFindings = 1000

// Result is result.json: everything that a run has to say. Durations are
// milliseconds as numbers; a nil pointer is null: it could not be observed.
// Positions (fields ending in Ms) count from the start of load, whose UTC time
// is Run.Started.
type Result struct {
	Schema       string        `json:"schema"`
	Verdict      Verdict       `json:"verdict"`
	Reasons      []Reason      `json:"reasons"`
	Run          RunInfo       `json:"run"`
	Requests     Requests      `json:"requests"`
	Items        Items         `json:"items"`
	Findings     []Finding     `json:"findings"`
	Deliveries   Deliveries    `json:"deliveries"`
	Load         LoadFigures   `json:"load"`
	ResponseTime Latency       `json:"response_time"`
	ResponseBy   ResponseBy    `json:"response_time_by"`
	ServiceTime  Latency       `json:"service_time"`
	FirstByte    Latency       `json:"time_to_first_byte"` // sent → first byte of the answer; without one: censored when it was given up
	Connection   *Latency      `json:"connection_time"`    // of every connection, warm-up included: until it was open; null: not known
	TLS          *Latency      `json:"tls_time"`           // of its TLS handshake, which comes after; null: there was none
	Kinds        []KindFigures `json:"kinds,omitempty"`    // where the scenario has several kinds of requests
	Availability Availability  `json:"availability"`
	Clock        Clocks        `json:"clock"`
	Lag          *Latency      `json:"processing_lag"`
	Completion   *Latency      `json:"completion_time"`
	DispatchLag  *Latency      `json:"dispatch_lag"`
	Phases       []Phase       `json:"phases"`
	Control      *Control      `json:"control"` // null where no fault was planned
	Faults       []FaultResult `json:"faults"`
	Expectations []Expectation `json:"expectations"`
	Backlog      []BacklogRow  `json:"backlog"`
	Drain        Drain         `json:"drain"`
	Gates        []GateResult  `json:"gates"`
	Cost         *Cost         `json:"cost"`            // null: what is behind the API is not known
	Notes        []string      `json:"notes,omitempty"` // what a reader must know, such as scaled waits
}

// Reason says why a run failed or is unknown.
type Reason struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
}

// RunInfo says what was run.
type RunInfo struct {
	ID           RunID   `json:"id"`
	Scenario     string  `json:"scenario"`
	About        string  `json:"about,omitempty"`
	Target       string  `json:"target"`
	Architecture string  `json:"architecture"`
	Seed         uint64  `json:"seed"`
	Started      string  `json:"started"`  // RFC 3339 with nanoseconds, UTC: start of load
	Finished     *string `json:"finished"` // null where the run was cut off
	Version      string  `json:"version"`
	Guarantee    string  `json:"guarantee,omitempty"` // of effects: exactly-once, at-least-once or none
	DynamoDB     string  `json:"dynamodb,omitempty"`  // URL of the DynamoDB that held the tables, where it was not the embedded one
	Host         Host    `json:"host"`
}

// Host is the machine that the load came from.
type Host struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
}

// Requests counts requests, warm-up included.
// planned = unsent + sent; sent = acknowledged + refused + unknown. A request that
// was sent again is one request all the same: retries are counted apart.
type Requests struct {
	Planned      int64 `json:"planned"`
	Unsent       int64 `json:"unsent"`
	Sent         int64 `json:"sent"`
	Acknowledged int64 `json:"acknowledged"`
	Refused      int64 `json:"refused"`
	Unknown      int64 `json:"unknown"`
	Retries      int64 `json:"retries"` // times that a request was sent again, by request.retries
}

// Items counts sent ids by verdict. All but Unexpected add up to Attempted.
type Items struct {
	Attempted      int64  `json:"attempted"`
	Processed      int64  `json:"processed"`
	ProcessedLate  int64  `json:"processed_late"`
	Recovered      int64  `json:"recovered"`
	NotApplied     int64  `json:"not_applied"`
	Rejected       int64  `json:"rejected"`
	Partial        int64  `json:"partial"`
	Superseded     int64  `json:"superseded,omitempty"` // where the results table has one row for all versions of an item
	LostWrite      int64  `json:"lost_write"`
	LostProcessing int64  `json:"lost_processing"`
	Duplicated     *int64 `json:"duplicated"`
	WrongEffect    *int64 `json:"wrong_effect"`
	Phantom        int64  `json:"phantom"`
	OrphanEffect   int64  `json:"orphan_effect"`
	Unexpected     *int64 `json:"unexpected"`
	DeadLettered   int64  `json:"dead_lettered"`
	Pending        int64  `json:"pending"`
	Unread         int64  `json:"unread"`
}

// Of gives the count of one verdict; observed is false where it is null.
func (i *Items) Of(v ItemVerdict) (n int64, observed bool) {
	p := i.field(v)
	if p == nil {
		return 0, false
	}
	return *p, true
}

// field points at the count of a verdict; nil where it is null.
func (i *Items) field(v ItemVerdict) *int64 {
	switch v {
	case Processed:
		return &i.Processed
	case ProcessedLate:
		return &i.ProcessedLate
	case Recovered:
		return &i.Recovered
	case NotApplied:
		return &i.NotApplied
	case Rejected:
		return &i.Rejected
	case Partial:
		return &i.Partial
	case Superseded:
		return &i.Superseded
	case LostWrite:
		return &i.LostWrite
	case LostProcessing:
		return &i.LostProcessing
	case Duplicated:
		return i.Duplicated
	case WrongEffect:
		return i.WrongEffect
	case Phantom:
		return &i.Phantom
	case OrphanEffect:
		return &i.OrphanEffect
	case Unexpected:
		return i.Unexpected
	case DeadLettered:
		return &i.DeadLettered
	case Pending:
		return &i.Pending
	case Unread:
		return &i.Unread
	}
	return nil
}

// Add counts n items of a verdict. It panics on a verdict that is not
// observed in this run (null) or does not exist: a judge that counts what it
// cannot see is wrong.
func (i *Items) Add(v ItemVerdict, n int64) {
	p := i.field(v)
	if p == nil {
		panic("bench: counted an item verdict that this run cannot observe: " + v.String())
	}
	*p += n
}

// Lost is what the alias "lost" stands for: acknowledged or stored, and gone.
func (i *Items) Lost() int64 { return i.LostWrite + i.LostProcessing }

// Finding is one item that is worth a look.
type Finding struct {
	Verdict     ItemVerdict `json:"verdict"`
	ID          string      `json:"id"`
	Seq         uint64      `json:"seq"`
	LastStation Station     `json:"last_station"`
	DuringFault string      `json:"during_fault"` // text of the fault in whose window it was due, or that it was under way for; "": none
	Position    string      `json:"position"`     // head, middle or tail of its writer's order; "": nothing is missing
}

// Deliveries counts what was handed to the processor; null: not observed.
type Deliveries struct {
	Records      *int64 `json:"records"`       // stream records committed
	Delivered    *int64 `json:"delivered"`     // records handed over, each once per invocation
	Redelivered  *int64 `json:"redelivered"`   // delivered beyond the first time
	DeadLettered *int64 `json:"dead_lettered"` // records handed to the on-failure destination
}

// LoadFigures says how well the generator kept its plan.
type LoadFigures struct {
	OfferedRPS  float64   `json:"offered_rps"`
	AchievedRPS float64   `json:"achieved_rps"`
	SendDelay   SendDelay `json:"send_delay"`
	GeneratorOK bool      `json:"generator_ok"`
	// GeneratorReason says in words why the generator was not ok; "": it was.
	GeneratorReason string     `json:"generator_reason"`
	Generator       *Generator `json:"generator"` // null: it did not live to tell
}

// Generator is what the load generator saw of itself during the load.
type Generator struct {
	CPUShare           *float64 `json:"cpu_share"`   // of all cores; null: the system does not tell
	GCPauseMs          float64  `json:"gc_pause_ms"` // all pauses for the garbage collector together
	GCPauseMaxMs       float64  `json:"gc_pause_max_ms"`
	SchedulingP99Ms    float64  `json:"scheduling_p99_ms"` // 99 % of the goroutines that could run did so within this time
	InFlightMax        int64    `json:"in_flight_max"`     // requests under way at the same time
	ConnectionsOpened  int64    `json:"connections_opened"`
	ConnectionsFailed  int64    `json:"connections_failed"`
	ConnectionsOpenMax int64    `json:"connections_open_max"`
}

// SendDelay is sent − due, in ms.
type SendDelay struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Latency describes a distribution in milliseconds. Percentiles are null where
// nothing was measured, or where censored values lie so low that the
// percentile is unbounded.
type Latency struct {
	Count    int64    `json:"count"`
	Censored int64    `json:"censored"` // known to be at least some value, never seen to end
	Mean     *float64 `json:"mean"`
	P50      *float64 `json:"p50"`
	P90      *float64 `json:"p90"`
	P95      *float64 `json:"p95"`
	P99      *float64 `json:"p99"`
	P999     *float64 `json:"p999"`
	Max      *float64 `json:"max"`
	// AtLeast has the lower bounds: with every censored value taken as ended when it
	// was last known to go on. The figures above are the upper ones, null where there
	// is none. Null where nothing is censored: then they are exact.
	AtLeast *AtLeast `json:"at_least"`
}

// AtLeast are lower bounds of a distribution's figures in milliseconds.
type AtLeast struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// ResponseBy splits response time by the client's outcome, and by the class of the
// status that was read.
type ResponseBy struct {
	Acknowledged Latency `json:"acknowledged"`
	Refused      Latency `json:"refused"`
	Unknown      Latency `json:"unknown"`
	Status2xx    Latency `json:"2xx"`
	Status3xx    Latency `json:"3xx"`
	Status4xx    Latency `json:"4xx"`
	Status5xx    Latency `json:"5xx"`
	StatusNone   Latency `json:"no_status"` // none was read, or none of these
}

// KindFigures is what became of the requests of one kind, outside of warm-up.
type KindFigures struct {
	Name         string  `json:"name"`
	Method       string  `json:"method"`
	Path         string  `json:"path"`
	Sent         int64   `json:"sent"`
	Acknowledged int64   `json:"acknowledged"`
	Refused      int64   `json:"refused"`
	Unknown      int64   `json:"unknown"`
	ResponseTime Latency `json:"response_time"`
	ServiceTime  Latency `json:"service_time"`
}

// Availability is how much of what clients wanted they were promised, outside of
// warm-up, by the second in which a request was due.
type Availability struct {
	Share       *float64 `json:"share"`        // acknowledged of all that were due; null: nothing was
	WorstSecond *float64 `json:"worst_second"` // the least share of any second in which something was due
	DarkSeconds int64    `json:"dark_seconds"` // seconds in which something was due and nothing was acknowledged
}

// Clocks says how far the clock that stamps the effects, the processor's, is ahead of
// the one of the ledger, and how that is known: from items whose effects were seen to
// come. Nothing is applied before it was sent, nor seen before it was applied.
type Clocks struct {
	OffsetMs  *float64 `json:"offset_ms"` // middle of where it must lie; null: no item was seen to come, or the clock was moved
	ErrorMs   *float64 `json:"error_ms"`  // it lies within offset_ms ± error_ms
	Samples   int64    `json:"samples"`   // items that say so
	Moved     bool     `json:"moved"`     // no one offset explains all of them: lags are not to be trusted
	Corrected bool     `json:"corrected"` // the offset cannot be 0, and the times of effects were corrected by it
}

// Phase is one stage of the load.
type Phase struct {
	Name         string   `json:"name"`
	Warmup       bool     `json:"warmup,omitempty"`
	FromMs       float64  `json:"from_ms"`
	ToMs         float64  `json:"to_ms"`
	ResponseTime Latency  `json:"response_time"`
	Lag          *Latency `json:"processing_lag"`
	Acknowledged int64    `json:"acknowledged"`
	Items        Items    `json:"items"`
	// RecoveryMs is that of a phase after which the offered rate falls, such as a
	// spike: from its end until the backlog was back at what it was before, as after a
	// fault. Null after any other, where it never came back, or where nobody saw.
	RecoveryMs         *float64 `json:"recovery_ms"`
	RecoveredAfterLoad bool     `json:"recovered_after_load"`
}

// Control is the phase before anything was broken, judged apart: the requests that
// were due, and normally done with, before the first fault struck.
type Control struct {
	ToMs         float64 `json:"to_ms"` // it lasts from the start of load to here
	Sent         int64   `json:"sent"`
	Acknowledged int64   `json:"acknowledged"`
	Items        Items   `json:"items"`
	Failed       int64   `json:"failed"` // items that fail the run, and that no fault can have spoilt
	Clean        *bool   `json:"clean"`  // null: nobody can tell
}

// FaultResult says what a fault did.
type FaultResult struct {
	Text               string   `json:"text"`
	Kind               string   `json:"kind"`
	AtMs               float64  `json:"at_ms"`
	ForMs              float64  `json:"for_ms"`
	Planned            *int64   `json:"planned"`
	Bitten             int64    `json:"bitten"`
	Undone             bool     `json:"undone"`
	RecoveryMs         *float64 `json:"recovery_ms"`
	RecoveredAfterLoad bool     `json:"recovered_after_load"`
	DrainRPS           *float64 `json:"drain_rps"`                   // items that left the backlog per second from the window's end to the recovery; null where that took no time, or never came
	PredictedLoss      *int64   `json:"predicted_loss"`              // from the settings alone; null: there is no model
	PredictedRange     *Range   `json:"predicted_loss_range"`        // what chance makes of it
	PredictedBy        string   `json:"predicted_loss_by,omitempty"` // the model
	ObservedLoss       *int64   `json:"observed_loss"`
}

// Range is from one count to another, both of them included.
type Range struct {
	Low  int64 `json:"low"`
	High int64 `json:"high"`
}

// Holds reports whether a count lies in the range.
func (r Range) Holds(n int64) bool { return r.Low <= n && n <= r.High }

// Expectation is one line of expect, with what came out.
type Expectation struct {
	Expect string   `json:"expect"`
	Actual *float64 `json:"actual"`
	OK     *bool    `json:"ok"`   // null: unknown
	Unit   string   `json:"unit"` // of actual: ms, /s, %, or "" of a plain number
	Why    string   `json:"why"`  // missed: what it was and where to look; unknown: what is missing; met: ""
}

// BacklogRow is the state at one second.
type BacklogRow struct {
	TMs          float64 `json:"t_ms"`
	Acknowledged int64   `json:"acknowledged"`
	Stored       int64   `json:"stored"`
	Processed    int64   `json:"processed"`
	Pending      int64   `json:"pending"`
}

// DrainProof is how the pipeline was seen to be empty.
type DrainProof string

// The proofs of a drain.
const (
	DrainPositions DrainProof = "positions" // checkpoints past the last sequence number, lanes and queue empty, nothing open
	DrainSentinels DrainProof = "sentinels" // one later record per shard was seen processed
	DrainQuiet     DrainProof = "quiet"     // nothing new for drain.quiet
	DrainNone      DrainProof = "none"
)

// Drain says how, and how long after the load, the pipeline was empty.
type Drain struct {
	Proof DrainProof `json:"proof"`
	Ms    float64    `json:"ms"`
}

// GateResult is one piece of evidence.
type GateResult struct {
	Name   Gate   `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Cost is what the work of a run costs on AWS at list prices, estimated from what its
// files show. Money is US dollars.
type Cost struct {
	Incurred    bool          `json:"incurred"` // true: it was done on AWS, and cost this; false: this load would cost it there
	Prices      PriceList     `json:"prices"`
	Run         Estimate      `json:"run"`         // of everything, the final reads included
	Foreseen    *Estimate     `json:"foreseen"`    // what the run was estimated at before it began, by its plan, if all goes well; null: of no run
	PerMillion  *Estimate     `json:"per_million"` // of a million requests sent, the system alone; null: none was sent
	Services    []ServiceCost `json:"services"`
	Assumptions []string      `json:"assumptions"` // what the estimate takes for granted
	LeftOut     []string      `json:"left_out"`    // what is not in it
}

// PriceList says which prices were taken.
type PriceList struct {
	Date   string `json:"date"` // on which they were known to hold
	Region string `json:"region"`
	Source string `json:"source"`
}

// Estimate lies between two bounds.
type Estimate struct {
	Low  float64  `json:"low"`
	High *float64 `json:"high"` // null: part of it was not observed, and nothing bounds it
}

// ServiceCost is what one service costs.
type ServiceCost struct {
	Service    string     `json:"service"`
	Run        Estimate   `json:"run"`
	PerMillion *Estimate  `json:"per_million"`
	Lines      []CostLine `json:"lines"`
}

// CostLine is one row of the bill of a run.
type CostLine struct {
	What      string   `json:"what"`
	Unit      string   `json:"unit"`
	Quantity  Estimate `json:"quantity"` // in its unit
	USD       Estimate `json:"usd"`
	Measuring bool     `json:"measuring"` // part of the measurement, and not of the system
}
