package faults

import "github.com/ackproof/ackproof/bench"

// tableThrottle is ProvisionedThroughputExceededException, an HTTP 400 of
// DynamoDB. An integration that maps every status to its default of 200 turns
// it into a lie: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-response.html
var tableThrottle = Kind{
	Name:       "table.throttle",
	Place:      bench.PlaceTable,
	About:      "Refuses operations on the items table before they commit, with ProvisionedThroughputExceededException.",
	Ops:        writes,
	Correct:    "The client is told that its request was not taken; nothing acknowledged is lost.",
	Exposes:    "An API that answers 200 whatever the table said loses the write.",
	Example:    "at 12s for 2s: table.throttle 30%",
	AcceptPath: true,
}
