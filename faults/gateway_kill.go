package faults

import "github.com/ackproof/ackproof/bench"

// gatewayKill is the death of one machine of the API: what it had not answered,
// nobody will.
var gatewayKill = Kind{
	Name:       "gateway.kill",
	Place:      bench.PlaceDoor,
	About:      "Kills the API's process with SIGKILL; it is started again at the same address.",
	Lever:      true,
	Single:     true,
	AcceptPath: true,
	Correct:    "Requests under way end unknown, and those that find nobody are not taken; what was acknowledged is stored and processed once.",
	Exposes:    "An API that acknowledges before the write is durable loses it.",
	Example:    "at 2s for 4s every 2s: gateway.kill",
}
