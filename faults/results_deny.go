package faults

import "github.com/ackproof/ackproof/bench"

// writes are the operations of DynamoDB that write items.
var writes = []string{"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}

// resultsDeny is AccessDeniedException, an HTTP 400 that no SDK tries again, so
// that the handler hears of it at once and for each record by itself:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
var resultsDeny = Kind{
	Name:    "results.deny",
	Place:   bench.PlaceResults,
	About:   "Refuses writes to the results table before they commit, with AccessDeniedException, as a lost permission does.",
	Ops:     writes,
	Correct: "Each failed record is tried again, and handed over where the retries are used up; none counts as done.",
	Exposes: "A handler that swallows an error, or names the wrong record as failed, loses what was not written.",
	Example: "at 4s for 2s: results.deny 30%",
}
