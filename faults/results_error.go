package faults

import "github.com/ackproof/ackproof/bench"

// resultsError is DynamoDB's 500 at the results table. After the commit the
// processor's own second try finds its own effect there.
var resultsError = Kind{
	Name:       "results.error",
	Place:      bench.PlaceResults,
	About:      "Answers writes to the results table with InternalServerError, before they commit or after.",
	Placements: []Placement{Before, AfterCommit},
	Ops:        writes,
	Correct:    "The write is tried again; each effect is applied once.",
	Exposes:    "Work that is not idempotent is done twice; a condition that fails on its own earlier write is taken for an error.",
	Example:    "at 4s for 2s: results.error 20% after-commit",
}
