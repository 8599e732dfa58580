package faults

import "github.com/ackproof/ackproof/bench"

// destinationRefuse is a queue that was deleted, or a permission that is missing.
// AWS moves the checkpoint all the same:
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
// and of asynchronous events it promises no second try either:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
var destinationRefuse = Kind{
	Name:    "destination.refuse",
	Place:   bench.PlaceDestination,
	About:   "Refuses what the mapping, or asynchronous invocation, hands to its on-failure destination.",
	Ops:     []string{opSend},
	Correct: "None: what was given up is lost, since nobody tries again.",
	Exposes: "A destination that nobody has tested; the only sign is the metric DestinationDeliveryFailures.",
	Example: "at 2s for 5s: destination.refuse",
}

// opSend is the name of the one operation at bench.PlaceDestination.
const opSend = "Send"
