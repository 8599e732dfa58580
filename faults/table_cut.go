package faults

import "github.com/ackproof/ackproof/bench"

// tableCut is a broken connection to DynamoDB: whether the write was done, only
// the table knows.
var tableCut = Kind{
	Name:       "table.cut",
	Place:      bench.PlaceTableWay,
	About:      "Breaks the connection of a write to the items table: after it was done and before the answer, in the answer's middle, or before it was sent.",
	Placements: []Placement{AfterCommit, Before, MidAnswer},
	Ops:        writes,
	AcceptPath: true,
	Correct:    "The client's outcome is unknown; what was stored is processed once, and nothing else.",
	Exposes:    "An API that tries again under a new key stores an item twice; one that answers 200 for a broken connection loses it.",
	Example:    "at 3s for 5s: table.cut 5%",
}
