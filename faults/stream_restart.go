package faults

import "github.com/ackproof/ackproof/bench"

// streamRestart is how a stream's view type is changed, since it cannot be edited.
// The new stream has an ARN of its own, and a mapping on the old one sees nothing
// of it: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
var streamRestart = Kind{
	Name:   "stream.restart",
	Place:  bench.PlaceStream,
	About:  "Switches the table's stream off, and on again at the fault's end: a new stream, which the mapping does not read.",
	Lever:  true,
	Single: true,

	Unrecorded: true,
	Correct:    "None: without a second mapping nothing more is processed, and what is written while the stream is off is in no stream at all.",
	Exposes:    "Everything written after it is lost, while every metric stays green.",
	Example:    "at 3s for 500ms: stream.restart",
}
