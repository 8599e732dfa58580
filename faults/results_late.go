package faults

import "github.com/ackproof/ackproof/bench"

// resultsLate is the write of a zombie: it was sent, the process that sent it has
// timed out, its batch was done again elsewhere, and now the write arrives.
var resultsLate = Kind{
	Name:    "results.late",
	Place:   bench.PlaceResults,
	About:   "Holds a write to the results table up before it commits, and lets it commit then, whether its sender still lives or not.",
	Keys:    []Key{{Name: "by", About: "how long each struck write is held up", Required: true}},
	Ops:     writes,
	Correct: "The batch is done again meanwhile, and the late write changes nothing: a newer effect is there.",
	Exposes: "A write without a condition puts an older version in the place of a newer one, or counts twice.",
	Example: "at 4s for 2s every 1s: results.late by=5s",
}
