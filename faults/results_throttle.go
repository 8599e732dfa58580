package faults

import "github.com/ackproof/ackproof/bench"

// resultsThrottle is ProvisionedThroughputExceededException, which SDKs try again.
// Of a batch of several the service refuses some, and answers 200:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
var resultsThrottle = Kind{
	Name:    "results.throttle",
	Place:   bench.PlaceResults,
	About:   "Refuses writes to the results table before they commit, with ProvisionedThroughputExceededException; of a BatchWriteItem every second one, as UnprocessedItems.",
	Ops:     writes,
	Correct: "Processing lags behind and catches up; each effect is applied once.",
	Exposes: "A handler that does not look at UnprocessedItems loses every second write of a batch; one that swallows the error loses them all.",
	Example: "at 4s for 2s: results.throttle 30%",
}
