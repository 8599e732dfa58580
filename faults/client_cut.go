package faults

import "github.com/ackproof/ackproof/bench"

// clientCut is a request that does not arrive, or not as a whole: the other half
// of what gateway.cut looks like to the client.
var clientCut = Kind{
	Name:       "client.cut",
	Place:      bench.PlaceClient,
	About:      "Breaks the client's connection before the API has the request, or when it has half of it.",
	Placements: []Placement{Before, MidBody},
	Ops:        []string{"Request"},
	AcceptPath: true,
	Correct:    "The client's outcome is unknown, and nothing is stored.",
	Exposes:    "An API that acts on half a request; a checker that counts a request without an answer as accepted.",
	Example:    "at 3s for 5s: client.cut 5% mid-body",
}
