package bench

// SeriesSchema is the value of Series.Schema.
const SeriesSchema = "ackproof.series/v1"

// The bounds of a series. They keep series.json, and every page made of it, small
// whatever the length of the run.
const (
	MaxSeriesRows   = 600  // of the load; what follows it adds half as many at most, or those of 10 s
	MaxMarks        = 1000 // moments told one by one; the rows count all
	MaxTraces       = 200  // lives of findings
	MaxTracesOfKind = 100  // of one verdict
)

// Series is series.json: what reports show and result.json does not carry. It is
// computed from the run's files when the run is judged, so that a report of ten
// million requests need not read them all again; without it, or where it belongs
// to another judgement, it is computed anew. Times are milliseconds; positions
// count from the start of load.
type Series struct {
	Schema  string      `json:"schema"`
	Result  string      `json:"result"`   // checksum of the result.json that it was made with
	WidthMs float64     `json:"width_ms"` // of a row
	LoadMs  float64     `json:"load_ms"`  // the end of the load, by the plan
	EndMs   float64     `json:"end_ms"`   // the end of the observation; the rows may end before it
	Rows    []SeriesRow `json:"rows"`

	Response   []CDFPoint `json:"response"`   // of every sent request outside warm-up
	Lag        []CDFPoint `json:"lag"`        // with lost items as censored: the curve then ends below 1
	Completion []CDFPoint `json:"completion"` //

	Died   int64  `json:"died"`   // processes of the processor
	Deaths []Mark `json:"deaths"` // the first MaxMarks of them
	// Invocations counts those of the event source mapping, Failed those of them
	// that did not succeed; null: nobody watched.
	Invocations *int64 `json:"invocations"`
	Failed      *int64 `json:"failed"`

	Traces      []Trace `json:"traces"`      // lives of findings: the first of each verdict
	Scenario    string  `json:"scenario"`    // scenario.yaml, as run
	Environment []Fact  `json:"environment"` // what a figure may depend on

	CloudWatch *CloudWatch `json:"-"` // from a file of its own, by who tells; nothing is judged by it
}

// SeriesRow is a piece of the time of a run. What the client did and saw, and
// what was lost, stands in the row in which the request was due; what the
// machines did, in the row in which it happened. A row after the load has nothing
// of the first kind.
type SeriesRow struct {
	TMs          float64  `json:"t_ms"` // its start
	Offered      int64    `json:"offered"`
	Acknowledged int64    `json:"acknowledged"`
	Refused      int64    `json:"refused"`
	Unknown      int64    `json:"unknown"`
	Min          *float64 `json:"min"` // of response time; null without a request that ended
	P50          *float64 `json:"p50"`
	P90          *float64 `json:"p90"`
	P99          *float64 `json:"p99"`
	Max          *float64 `json:"max"`
	LagP50       *float64 `json:"lag_p50"` // of processing lag of items acknowledged here
	LagP99       *float64 `json:"lag_p99"`
	LagMax       *float64 `json:"lag_max"`
	Lost         int64    `json:"lost"`  // findings of these verdicts among the requests due here
	Wrong        int64    `json:"wrong"` // findings of the others that fail a run
	Invocations  int64    `json:"invocations"`
	Failed       int64    `json:"failed"`
	Deaths       int64    `json:"deaths"`
}

// CDFPoint says which share of all values is at most Ms.
type CDFPoint struct {
	Ms    float64 `json:"ms"`
	Share float64 `json:"share"`
}

// Mark is a moment worth a tick on the time axis.
type Mark struct {
	TMs  float64 `json:"t_ms"`
	Text string  `json:"text"`
}

// Deployed is how a system on AWS was set when a run of it began, as its control plane
// told it then.
type Deployed struct {
	Settings []Fact   `json:"settings"`         // by the keys of a scenario where it has them
	Unread   []string `json:"unread,omitempty"` // what could not be read, and why
}

// DeployedFact begins the names of the facts that are settings of [Deployed].
const DeployedFact = "deployed: "

// Fact is something that is told as it is.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
