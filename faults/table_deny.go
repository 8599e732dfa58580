package faults

import "github.com/ackproof/ackproof/bench"

// tableDeny is AccessDeniedException, an HTTP 400 and no 403, with the message
// spelt in another way than in the table's own errors:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
var tableDeny = Kind{
	Name:       "table.deny",
	Place:      bench.PlaceTableWay,
	About:      "Refuses writes to the items table before they commit, with AccessDeniedException (400), as a lost permission does.",
	Ops:        writes,
	AcceptPath: true,
	Correct:    "The client is told that its request was not taken; nothing acknowledged is lost.",
	Exposes:    "An API that answers 200 whatever the table said loses the write.",
	Example:    "at 3s for 5s: table.deny 30%",
}
