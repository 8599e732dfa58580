package faults

import "github.com/ackproof/ackproof/bench"

// functionTimeout is a time-out that somebody has set too short. It is a function
// error: it spends a retry, though some effects may have been written.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
var functionTimeout = Kind{
	Name:    "function.timeout",
	Place:   bench.PlaceFunction,
	About:   "Lowers the time-out of the function.",
	Keys:    []Key{{Name: "to", About: "the time-out meanwhile, in whole seconds", Required: true}},
	Lever:   true,
	Single:  true,
	Whole:   true,
	Correct: "What takes longer fails and is delivered again; each effect is applied once.",
	Exposes: "A batch that can never be done in time blocks its shard, or is lost where retries are limited; work that is not idempotent is done twice.",
	Example: "at 30s for 1m: function.timeout to=1s",
}
