package faults

import "github.com/ackproof/ackproof/bench"

// processorSlow delays, it does not fail: beyond the function's time-out the
// invocation fails, though its effects may have been written.
var processorSlow = Kind{
	Name:       "processor.slow",
	Place:      bench.PlaceProcessor,
	About:      "Holds an invocation up for a time, before its work or after its effects; past the time-out it fails.",
	Placements: []Placement{Before, AfterEffects},
	Keys:       []Key{{Name: "by", About: "how long each struck invocation is held up", Required: true}},
	Ops:        []string{bench.OpHandOver, bench.OpAnswer},
	Correct:    "Processing lags behind and catches up; a time-out leads to a retry, each effect is applied once.",
	Exposes:    "A time-out after the effects makes work that is not idempotent happen twice; sync answers become slow.",
	Example:    "at 4s for 3s: processor.slow 10% by=500ms",
}
