package faults

import "github.com/ackproof/ackproof/bench"

// streamExpire is an iterator that is older than 15 minutes, as after a pause of
// its reader: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html
var streamExpire = Kind{
	Name:    "stream.expire",
	Place:   bench.PlaceRead,
	About:   "Answers the mapping's reads of the stream with ExpiredIteratorException.",
	Ops:     []string{opGetRecords},
	Correct: "The reader goes on behind its checkpoint: nothing is skipped.",
	Exposes: "A reader that begins anew at LATEST loses what came meanwhile; one at TRIM_HORIZON does everything again.",
	Example: "at 4s for 2s: stream.expire 20%",
}
