package faults

import "github.com/ackproof/ackproof/bench"

// resultsCut loses the reply, not the write, unless it says so: the processor
// cannot know, and must be able to do it again.
var resultsCut = Kind{
	Name:       "results.cut",
	Place:      bench.PlaceResults,
	About:      "Breaks the connection of a write to the results table: after it was done and before the answer, in the answer's middle, or before it was sent.",
	Placements: []Placement{AfterCommit, Before, MidAnswer},
	Ops:        writes,
	Correct:    "The write is tried again; each effect is applied once.",
	Exposes:    "Work that is not idempotent is done twice; a condition that fails on its own earlier write is taken for an error.",
	Example:    "at 4s for 2s: results.cut 20%",
}
