package faults

import "github.com/ackproof/ackproof/bench"

// opGetRecords is the one operation at bench.PlaceRead.
const opGetRecords = "GetRecords"

// streamThrottle is what a third reader of a shard brings about:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
var streamThrottle = Kind{
	Name:    "stream.throttle",
	Place:   bench.PlaceRead,
	About:   "Refuses the mapping's reads of the stream, as where too many read a shard.",
	Ops:     []string{opGetRecords},
	Correct: "Processing lags behind and catches up; no retry is spent.",
	Exposes: "A short maximum record age loses what waits.",
	Example: "at 4s for 2s: stream.throttle",
}
