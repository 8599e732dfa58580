package faults

import "github.com/ackproof/ackproof/bench"

// clientThrottle is a limit on the way to the API, such as a firewall's: the API
// knows nothing of it.
var clientThrottle = Kind{
	Name:       "client.throttle",
	Place:      bench.PlaceClient,
	About:      "Refuses requests with 429 before the API has them.",
	Ops:        []string{"Request"},
	AcceptPath: true,
	Correct:    "The client is told that its request was not taken, and nothing is stored.",
	Exposes:    "A client that takes any answer for a promise counts what was never stored as accepted.",
	Example:    "at 3s for 5s: client.throttle 30%",
}
