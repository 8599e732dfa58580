package faults

import "github.com/ackproof/ackproof/bench"

// processorKill is a SIGKILL: no handler runs, no buffer is flushed, as when a
// sandbox runs out of memory. Lambda reports Runtime.ExitError and retries the
// batch: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
var processorKill = Kind{
	Name:       "processor.kill",
	Place:      bench.PlaceProcessor,
	About:      "Kills one processor process with SIGKILL, in the middle of its work if you say so.",
	Placements: []Placement{Before, AfterWrite, AfterEffects},
	Ops:        []string{bench.OpHandOver, bench.OpWrite, bench.OpAnswer},
	Correct:    "Records are delivered again and processed late; each effect is applied once.",
	Exposes:    "Work kept in memory and acknowledged too early is lost; effects that are not idempotent are applied twice.",
	Example:    "at 5s for 6s every 1s: processor.kill after-write 10",
	Single:     true,
}
