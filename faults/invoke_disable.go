package faults

import "github.com/ackproof/ackproof/bench"

// invokeDisable is a reserved concurrency of 0, the switch that stops a function.
// A stream waits as it does for any other 429, but an asynchronous event is not
// kept in the queue for a better day:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
var invokeDisable = Kind{
	Name:    "invoke.disable",
	Place:   bench.PlaceInvoke,
	About:   "Refuses invocations as a function does whose reserved concurrency is 0.",
	Ops:     []string{opInvoke},
	Correct: "The stream waits and catches up; an asynchronous event goes to the on-failure destination at once, without a retry.",
	Exposes: "Asynchronous events without a destination: each one that comes meanwhile is dropped.",
	Example: "at 4s for 3s: invoke.disable",
}
