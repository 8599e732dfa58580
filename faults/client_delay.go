package faults

import "github.com/ackproof/ackproof/bench"

// clientDelay is a slow way between client and API, or a full queue on it.
var clientDelay = Kind{
	Name:       "client.delay",
	Place:      bench.PlaceClient,
	About:      "Holds requests up on their way to the API, or its answers on their way back. When the client gives up, what is held is gone.",
	Placements: []Placement{Before, AfterCommit},
	Keys:       []Key{{Name: "by", About: "how long each struck request, or answer, is held up", Required: true}},
	Ops:        []string{"Request"},
	AcceptPath: true,
	Correct:    "Answers come later; past the client's time-out its outcome is unknown, and the request is stored and processed once if the API had it.",
	Exposes:    "A time-out that is taken for a failure: the client sends again under a new id, and the work is done twice.",
	Example:    "at 3s for 5s: client.delay 10% by=300ms",
}
