package bench

// ComparisonSchema is the value of Comparison.Schema.
const ComparisonSchema = "ackproof.comparison/v1"

// Comparison is comparison.json: what differs between runs.
type Comparison struct {
	Schema  string           `json:"schema"`
	Runs    []ComparedRun    `json:"runs"`
	Figures []ComparedFigure `json:"figures"`
	// Differences compares the first side with each other one, figure by figure,
	// where both have trials enough.
	Differences []ComparedDifference `json:"differences"`
	// Settings are those in which the runs differ.
	Settings []ComparedSetting  `json:"settings"`
	Capacity []ComparedCapacity `json:"capacity,omitempty"` // found by searches that were named
	FailIf   []FailIf           `json:"fail_if,omitempty"`
	Notes    []string           `json:"notes"` // what a reader must know: few trials, different hosts, controls
	Exit     int                `json:"exit"`  // the exit code of the call that made it
}

// ComparedRun is one of the runs, in the order given.
type ComparedRun struct {
	Label        string `json:"label"` // configuration or architecture, or run id where that is the same
	ID           RunID  `json:"id"`
	Scenario     string `json:"scenario"`
	Architecture string `json:"architecture"`
	// Configuration is what 'run --vary' set, such as mapping.batchSize=10.
	Configuration string  `json:"configuration,omitempty"`
	Side          string  `json:"side"` // runs of the same side are its trials
	Verdict       Verdict `json:"verdict"`
	Control       bool    `json:"control"` // of another architecture than the scenario's own
	Dir           string  `json:"dir"`     // relative to comparison.json where it lies inside
}

// ComparedFigure is one row of the table.
type ComparedFigure struct {
	Name   string     `json:"name"` // dotted key of result.json
	Title  string     `json:"title"`
	Unit   string     `json:"unit"`   // "ms", "requests", "items", "" ...
	Values []*float64 `json:"values"` // one a run; null: not observed, or never
	// Never lists the runs (indices into Runs) in which it never came to an end:
	// a percentile among lost items, a recovery that did not happen.
	Never []int `json:"never,omitempty"`
}

// ComparedDifference is one figure of two sides. Medians and their intervals are
// in the figure's unit.
type ComparedDifference struct {
	Figure string       `json:"figure"` // Name of the figure
	From   ComparedSide `json:"from"`
	To     ComparedSide `json:"to"`
	Change *float64     `json:"change"` // of the median; null where one is unbounded
	// Superiority is the share of pairs of trials in which To has the larger
	// value, ties half: the size of the effect without a unit. 0.5: none.
	Superiority float64 `json:"superiority"`
	P           float64 `json:"p"`    // of the Mann–Whitney test
	Real        bool    `json:"real"` // more than noise, with all figures of the two sides compared at once
}

// ComparedSide is the median of a side's trials and the interval that holds the
// true one with at least 95 %; null: unbounded.
type ComparedSide struct {
	Side   string   `json:"side"`
	Trials int      `json:"trials"`
	Median *float64 `json:"median"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
}

// ComparedCapacity is what a search has found of the system of some runs.
type ComparedCapacity struct {
	Dir      string         `json:"dir"`      // of the search
	Runs     []int          `json:"runs"`     // indices into Runs of those whose system it is
	Scenario string         `json:"scenario"` // of the search
	Version  string         `json:"version"`
	Host     Host           `json:"host"`
	Probes   int            `json:"probes"`
	Response CapacityAnswer `json:"response"` // the highest rate at which the API meets what is expected of it
	Backlog  CapacityAnswer `json:"backlog"`  // the highest rate that the processor sustains without a growing backlog
	DrainMs  *float64       `json:"drain_ms"` // of a spike; null: none was fired, or it was not seen to drain
}

// FailIf is one tolerance, with what came out.
type FailIf struct {
	FailIf   string   `json:"fail_if"`
	Side     string   `json:"side"`
	Unit     string   `json:"unit"`     // of the numbers: "ms", or "" of counts and rates
	Baseline *float64 `json:"baseline"` // medians; null: not observed, or never
	Actual   *float64 `json:"actual"`
	Held     *bool    `json:"held"` // true: it is worse by more than is tolerated; null: unknown
}

// ComparedSetting is a setting in which runs differ.
type ComparedSetting struct {
	Name   string   `json:"name"`   // dotted key of scenario.yaml, or what stands in run.json
	Values []string `json:"values"` // one a run; "": it has none, or it is not known
}
