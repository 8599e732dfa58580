package bench

// ComparisonSchema is the value of Comparison.Schema.
const ComparisonSchema = "ackproof.comparison/v1"

// Comparison is comparison.json: what differs between runs.
type Comparison struct {
	Schema  string           `json:"schema"`
	Runs    []ComparedRun    `json:"runs"`
	Figures []ComparedFigure `json:"figures"`
	Notes   []string         `json:"notes"` // what a reader must know: few trials, different hosts, controls
	Exit    int              `json:"exit"`  // the exit code of the call that made it
}

// ComparedRun is one of the runs, in the order given.
type ComparedRun struct {
	Label        string  `json:"label"` // architecture, or run id where that is the same
	ID           RunID   `json:"id"`
	Scenario     string  `json:"scenario"`
	Architecture string  `json:"architecture"`
	Verdict      Verdict `json:"verdict"`
	Control      bool    `json:"control"` // of another architecture than the scenario's own
	Dir          string  `json:"dir"`     // relative to comparison.json where it lies inside
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
