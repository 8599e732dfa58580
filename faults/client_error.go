package faults

import "github.com/ackproof/ackproof/bench"

// clientError is the answer of something between client and API, such as a load
// balancer: that it has reached nobody (503), or that it has waited too long (504).
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
var clientError = Kind{
	Name:       "client.error",
	Place:      bench.PlaceClient,
	About:      "Answers requests on their way: with 503 before the API has them, or with 504 after it has acted.",
	Placements: []Placement{Before, AfterCommit},
	Ops:        []string{"Request"},
	AcceptPath: true,
	Correct:    "The client's outcome is unknown; what was stored is processed once.",
	Exposes:    "A client that sends again under a new id doubles the work; a checker that calls every 5xx a failure raises a false alarm.",
	Example:    "at 3s for 5s: client.error 10% after-commit",
}
