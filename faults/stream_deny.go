package faults

import "github.com/ackproof/ackproof/bench"

// streamDeny is a role that may not read the stream any more. The mapping stays
// Enabled, its LastProcessingResult names what is denied, and it goes on where it
// stood when the permission is back:
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
var streamDeny = Kind{
	Name:    "stream.deny",
	Place:   bench.PlaceRead,
	About:   "Refuses the mapping's reads of the stream with AccessDeniedException, as a lost permission does.",
	Ops:     []string{opGetRecords},
	Correct: "Processing stops and catches up; no retry is spent and nothing is lost.",
	Exposes: "A monitor that trusts the mapping's state sees nothing; a loss of more than the stream's 24 hours is for good.",
	Example: "at 4s for 3s: stream.deny",
}
