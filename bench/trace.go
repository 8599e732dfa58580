package bench

// TraceSchema is the value of Trace.Schema.
const TraceSchema = "ackproof.trace/v1"

// Trace is the whole known life of one request, as `ackproof trace --json`
// prints it. Positions (fields ending in Ms) count from the start of load; what
// is null or absent is not known.
type Trace struct {
	Schema string   `json:"schema"`
	Run    TraceRun `json:"run"`
	ID     string   `json:"id"`
	Seq    uint64   `json:"seq"`
	// Planned is how many requests the run was of; one beyond it was never sent
	// by this run, has no phase and was never due.
	Planned int64    `json:"planned"`
	Phase   string   `json:"phase"`
	Warmup  bool     `json:"warmup"`
	DueMs   *float64 `json:"due_ms"`

	Ledger         string   `json:"ledger"` // unsent, sent, finished, torn or reserved
	Outcome        string   `json:"outcome"`
	Class          string   `json:"class"`
	Status         *int     `json:"status"`
	ResponseTimeMs *float64 `json:"response_time_ms"`
	ServiceTimeMs  *float64 `json:"service_time_ms"`

	Verdict  string   `json:"verdict"` // "": it was not sent, and nothing was found of it
	Finding  *Finding `json:"finding"` // null: nothing about it is worth a look
	Stored   *bool    `json:"stored"`
	Count    *int64   `json:"applications"`
	Delivers *int64   `json:"deliveries"`

	Faults  []TraceFault `json:"faults"`  // in force at some moment of its life
	Steps   []TraceStep  `json:"steps"`   // by time
	Unknown []string     `json:"unknown"` // what nobody can say of it, and why
}

// TraceRun says whose request it is.
type TraceRun struct {
	ID           RunID  `json:"id"`
	Scenario     string `json:"scenario"`
	Target       string `json:"target"`
	Architecture string `json:"architecture"`
	Started      string `json:"started"` // RFC 3339 with nanoseconds, UTC: start of load
}

// TraceFault is a fault window that lies across the life of a request.
type TraceFault struct {
	Text   string  `json:"text"`
	FromMs float64 `json:"from_ms"`
	ToMs   float64 `json:"to_ms"`
	Due    bool    `json:"due"` // the request was due inside
}

// TraceKind is what a step of a life is.
type TraceKind string

// The steps.
const (
	TraceDue          TraceKind = "due"
	TraceSent         TraceKind = "sent"
	TraceFirstByte    TraceKind = "first_byte"
	TraceAnswered     TraceKind = "answered" // or given up
	TraceCommitted    TraceKind = "committed"
	TraceDelivered    TraceKind = "delivered"
	TraceProcessDeath TraceKind = "process_death" // of the process that it was handed to, as far as that is certain
	TraceEffect       TraceKind = "effect"
	TraceDeadLetter   TraceKind = "dead_letter"
)

// TraceStep is one thing that happened to a request.
type TraceStep struct {
	Kind       TraceKind `json:"kind"`
	TMs        *float64  `json:"t_ms"`         // null: the evidence has no time
	SinceDueMs *float64  `json:"since_due_ms"` // null: it was never due, or the time is not known
	Text       string    `json:"text"`         // for people
	Shard      string    `json:"shard,omitempty"`
	Sequence   string    `json:"sequence,omitempty"`
	Batch      *uint64   `json:"batch,omitempty"`   // of a delivery
	Attempt    *int      `json:"attempt,omitempty"` // of the batch, from 1; of the client where it sent again, from 0
	Outcome    string    `json:"outcome,omitempty"` // of a delivery: ok, error, timeout or crash
	PID        int       `json:"pid,omitempty"`     // of the process, where events.jsonl makes it certain
	Among      []int     `json:"among,omitempty"`   // else those that it may have been
}
