package faults

import "github.com/ackproof/ackproof/bench"

// processorError is a handler that throws. It spends a retry of the batch or of
// the asynchronous event, unlike a throttled invocation.
var processorError = Kind{
	Name:       "processor.error",
	Place:      bench.PlaceProcessor,
	About:      "Makes an invocation end with a function error, before its work is done or after its effects were written.",
	Placements: []Placement{Before, AfterEffects},
	Ops:        []string{bench.OpHandOver, bench.OpAnswer},
	Correct:    "The batch is retried until it succeeds; each effect is applied once.",
	Exposes:    "A retry limit without a destination loses whole batches; after the effects, work that is not idempotent is done twice.",
	Example:    "at 4s for 3s: processor.error 20% after-effects",
}
