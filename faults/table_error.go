package faults

import "github.com/ackproof/ackproof/bench"

// tableError is DynamoDB's 500, of which it says itself that the operation may
// have been done: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
var tableError = Kind{
	Name:       "table.error",
	Place:      bench.PlaceTableWay,
	About:      "Answers writes to the items table with InternalServerError, before they commit or after.",
	Placements: []Placement{Before, AfterCommit},
	Ops:        writes,
	AcceptPath: true,
	Correct:    "The client's outcome is unknown; what was stored is processed once.",
	Exposes:    "An API that answers 200 whatever the table said loses the write; a checker that calls every 500 a failure raises a false alarm.",
	Example:    "at 3s for 5s: table.error 10% after-commit",
}
