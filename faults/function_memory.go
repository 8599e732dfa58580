package faults

import "github.com/ackproof/ackproof/bench"

// functionMemory is a function that is given less, which takes CPU from it in the
// same proportion; one that needs more is killed (Runtime.OutOfMemory).
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
var functionMemory = Kind{
	Name:    "function.memory",
	Place:   bench.PlaceFunction,
	About:   "Lowers the memory of the function, and its CPU with it.",
	Keys:    []Key{{Name: "to", Word: true, About: "the memory meanwhile, such as 128MB", Required: true}},
	Lever:   true,
	Single:  true,
	Whole:   true,
	Correct: "Processing is slower and catches up; where memory runs out the batch is delivered again.",
	Exposes: "A time-out without room to spare, and a batch that does not fit into memory and comes again for ever.",
	Example: "at 30s for 1m: function.memory to=128MB",
}
