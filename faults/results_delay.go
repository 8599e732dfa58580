package faults

import "github.com/ackproof/ackproof/bench"

// resultsDelay holds the answer up, where results.late holds the write itself up.
var resultsDelay = Kind{
	Name:    "results.delay",
	Place:   bench.PlaceResults,
	About:   "Holds the answer to a write to the results table up, after it has committed.",
	Keys:    []Key{{Name: "by", About: "how long each struck answer is held up", Required: true}},
	Ops:     writes,
	Correct: "Processing lags behind and catches up; past the function's time-out the batch is done again, each effect once.",
	Exposes: "A time-out after the effects makes work that is not idempotent happen twice.",
	Example: "at 4s for 2s: results.delay 10% by=300ms",
}
