package faults

import "github.com/ackproof/ackproof/bench"

// gatewayCut loses the answer, not the request: the upstream has acted, the
// client sees a broken connection and cannot know.
var gatewayCut = Kind{
	Name:       "gateway.cut",
	Place:      bench.PlaceGateway,
	About:      "Breaks the client's connection after the API has acted and before it has answered.",
	Ops:        []string{"Request"},
	Correct:    "The client's outcome is unknown; the request is stored and processed once.",
	Exposes:    "A client that sends again under a new id doubles the work; a checker that calls it failed raises a false alarm.",
	Example:    "at 3s for 5s: gateway.cut 5%",
	AcceptPath: true,
}
