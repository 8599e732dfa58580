package faults

import "github.com/ackproof/ackproof/bench"

// tableDelay is a slow table. An integration that waits no longer answers 504, and
// the write goes on: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
var tableDelay = Kind{
	Name:       "table.delay",
	Place:      bench.PlaceTableWay,
	About:      "Holds writes to the items table up for a time, before they commit or after.",
	Placements: []Placement{Before, AfterCommit},
	Keys:       []Key{{Name: "by", About: "how long each struck write is held up", Required: true}},
	Ops:        writes,
	AcceptPath: true,
	Correct:    "Answers come later; past the API's time-out the outcome is unknown, and the item is stored and processed once.",
	Exposes:    "A time-out that is taken for a failure: the client sends again, and the work is done twice.",
	Example:    "at 3s for 5s: table.delay 10% by=300ms",
}
