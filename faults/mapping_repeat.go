package faults

import "github.com/ackproof/ackproof/bench"

// mappingRepeat is at-least-once delivery taken at its word: the same batch twice,
// though nothing has failed. AWS asks functions to be idempotent for that:
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
var mappingRepeat = Kind{
	Name:    "mapping.repeat",
	Place:   bench.PlaceDelivery,
	About:   "Hands a batch over once more that was processed without an error.",
	Ops:     []string{"Deliver"},
	Correct: "The records are delivered twice, and each effect is applied once.",
	Exposes: "Effects that are not idempotent are applied twice, and no error says so.",
	Example: "at 3s for 4s: mapping.repeat 20%",
}
