package faults

import "github.com/ackproof/ackproof/bench"

// opInvoke is the name of the one operation at bench.PlaceInvoke.
const opInvoke = "Invoke"

// invokeFail is an outage of the function as a whole: a bad deployment, a
// missing permission, a dependency that is down at start. It spends retries.
var invokeFail = Kind{
	Name:    "invoke.fail",
	Place:   bench.PlaceInvoke,
	About:   "Fails invocations with a function error before any process sees the event.",
	Ops:     []string{opInvoke},
	Correct: "The stream keeps what it cannot deliver; after the outage everything is processed once.",
	Exposes: "An outage longer than all retries loses what was accepted and stored nowhere.",
	Example: "at 4s for 6s: invoke.fail",
}
