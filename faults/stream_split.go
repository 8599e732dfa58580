package faults

import "github.com/ackproof/ackproof/bench"

// streamSplit is what a growing table does to its stream, and every stream after
// some hours. Parents come before their children:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
var streamSplit = Kind{
	Name:    "stream.split",
	Place:   bench.PlaceStream,
	About:   "Splits a shard of the stream in two.",
	Lever:   true,
	Single:  true,
	Correct: "Nothing is lost, and the versions of an item stay in order: the parent is read to its end first.",
	Exposes: "A reader that does not find new shards stands still; one that reads a child before its parent puts old over new.",
	Example: "at 3s for 2s every 1s: stream.split",
}
