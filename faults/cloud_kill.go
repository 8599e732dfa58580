package faults

import "github.com/ackproof/ackproof/bench"

// cloudKill is a power failure of the local target: all that is beneath the
// client dies at one moment, and comes back on what it has written down. On AWS a
// request that such a failure catches ends as a 5xx or a reset connection, and
// nobody knows what became of it:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
var cloudKill = Kind{
	Name:       "cloud.kill",
	Place:      bench.PlaceCloud,
	About:      "Kills API, DynamoDB, mapping and processors at once with SIGKILL; they are started again on their data, at the same addresses.",
	Lever:      true,
	Single:     true,
	AcceptPath: true,
	Correct:    "Requests under way end unknown; what was acknowledged is there, and is processed, some of it twice handed over.",
	Exposes:    "What was acknowledged before it was written down is lost; effects that are not idempotent are applied twice.",
	Example:    "at 2s for 4s every 2s: cloud.kill",
}
