package faults

import "github.com/ackproof/ackproof/bench"

// invokeThrottle is Lambda's 429: the function did not run. For a stream it
// spends no retry, only the record's age:
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
var invokeThrottle = Kind{
	Name:    "invoke.throttle",
	Place:   bench.PlaceInvoke,
	About:   "Refuses invocations with 429 before a process is chosen, as a concurrency limit does.",
	Ops:     []string{opInvoke},
	Correct: "Processing lags behind and catches up; no retry is spent and nothing is lost.",
	Exposes: "A short maximum record age loses what waits; a sync API passes the throttling on to its clients.",
	Example: "at 4s for 3s: invoke.throttle 50%",
}
