package bench

// CapacitySchema is the value of Capacity.Schema.
const CapacitySchema = "ackproof.capacity/v1"

// Capacity is capacity.json: how much a system can take. Rates are requests per
// second, durations milliseconds.
type Capacity struct {
	Schema       string           `json:"schema"`
	Scenario     string           `json:"scenario"`
	Target       string           `json:"target"`
	Architecture string           `json:"architecture"`
	Seed         uint64           `json:"seed"`
	Started      string           `json:"started"` // RFC 3339, UTC
	Version      string           `json:"version"`
	Host         Host             `json:"host"`
	Settings     CapacitySettings `json:"settings"`
	Response     CapacityAnswer   `json:"response"`           // the highest rate at which the API meets what is expected of it
	Backlog      CapacityAnswer   `json:"backlog"`            // the highest rate that the processor sustains without a growing backlog
	AtLeast      *CapacityFloor   `json:"at_least,omitempty"` // absent: nothing was asked for
	Spike        *Spike           `json:"spike"`              // null: none was fired
	Probes       []CapacityProbe  `json:"probes"`             // in the order in which they were made
	Interrupted  bool             `json:"interrupted"`
	Notes        []string         `json:"notes"`
}

// CapacitySettings are the settings of the search.
type CapacitySettings struct {
	Expect          []string `json:"expect"`           // what the API must meet in the hold of a probe
	Acknowledged    float64  `json:"acknowledged"`     // share of the requests of the hold that must be acknowledged
	GrowthTolerated float64  `json:"growth_tolerated"` // share of the rate; a backlog that grows by less cannot be told from noise
	SettleMs        float64  `json:"settle_ms"`        // of each probe, before the hold; not looked at
	HoldMs          float64  `json:"hold_ms"`          // of each probe, looked at
	Precision       float64  `json:"precision"`        // the search ends when the ends of the interval are this share apart
	Repeats         int      `json:"repeats"`          // probes in agreement that settle an end of the interval
}

// CapacityAnswer is an interval that the true rate lies in.
type CapacityAnswer struct {
	Status CapacityStatus `json:"status"`
	Low    *float64       `json:"low_rps"`  // it takes this much; null: no rate that was tried
	High   *float64       `json:"high_rps"` // it does not take this much; null: nobody could tell
	Knee   *float64       `json:"knee_rps"` // where the curve of p99 over rate turns upward; null: too few rates
	Text   string         `json:"text"`     // the answer in a sentence
}

// CapacityFloor is a rate that must be taken, by every question that was asked.
type CapacityFloor struct {
	Rate float64 `json:"rate_rps"`
	Met  *bool   `json:"met"`  // false: an interval lies below; null: one holds the rate, or is not settled
	Text string  `json:"text"` // the same in words
}

// CapacityStatus says how far a question was answered.
type CapacityStatus string

// The statuses of an answer.
const (
	CapacityFound   CapacityStatus = "found"    // both ends are settled
	CapacityAtLeast CapacityStatus = "at_least" // low is settled; beyond it something else was the limit
	CapacityBelow   CapacityStatus = "below"    // not even the lowest rate that was tried
	CapacityOpen    CapacityStatus = "open"     // the search ended before it was settled: ends are what single probes show
	CapacityNone    CapacityStatus = "none"     // the question has no meaning here, or nothing could be seen
)

// CapacityProbe is one run at one rate.
type CapacityProbe struct {
	Dir          string   `json:"dir"` // the run directory, relative to capacity.json
	Rate         float64  `json:"rate_rps"`
	For          string   `json:"for"`      // response or backlog: the question that asked for it
	Response     Sight    `json:"response"` // of both questions, whoever asked
	Backlog      Sight    `json:"backlog"`
	Acknowledged float64  `json:"acknowledged"` // share of the requests of the hold
	P50          *float64 `json:"p50"`          // response time in the hold
	P99          *float64 `json:"p99"`
	LagP50       *float64 `json:"lag_p50"` // processing lag in the hold
	LagP99       *float64 `json:"lag_p99"`
	Growth       *float64 `json:"growth"`       // of the backlog in the hold, items per second
	Processed    *float64 `json:"processed"`    // effects per second in the hold
	GeneratorOK  bool     `json:"generator_ok"` // the generator kept up
	Why          string   `json:"why"`          // what decided
}

// Sight is what one probe shows of one question.
type Sight string

// What a probe may show.
const (
	SightHolds   Sight = "holds"   // it takes this rate
	SightBreaks  Sight = "breaks"  // it does not
	SightLimited Sight = "limited" // something else was the limit: the generator, or of the backlog the API
	SightNone    Sight = "none"    // it could not be seen
)

// Spike is how long a burst of requests takes to drain.
type Spike struct {
	Size    float64      `json:"size"`      // requests beyond the base rate
	Base    float64      `json:"base_rps"`  // before, and after
	Rate    float64      `json:"spike_rps"` // in the spike
	ForMs   float64      `json:"for_ms"`
	DrainMs *float64     `json:"drain_ms"` // median of the trials; null: not in all of them
	Trials  []SpikeTrial `json:"trials"`
}

// SpikeTrial is one run with a spike.
type SpikeTrial struct {
	Dir     string   `json:"dir"`
	DrainMs *float64 `json:"drain_ms"` // recovery_ms of the phase named spike; null: never, or not seen
	Why     string   `json:"why,omitempty"`
}
