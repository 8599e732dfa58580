package faults

import "github.com/ackproof/ackproof/bench"

// mappingDisable is what an operator does before a deployment. The position is
// kept: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
var mappingDisable = Kind{
	Name:    "mapping.disable",
	Place:   bench.PlaceMapping,
	About:   "Disables the event source mapping, and enables it again at the fault's end.",
	Lever:   true,
	Single:  true,
	Correct: "The stream keeps what comes; the mapping goes on where it stood, and everything is processed once.",
	Exposes: "A pause longer than the stream's 24 hours loses what came in its beginning.",
	Example: "at 3s for 2s: mapping.disable",
}
