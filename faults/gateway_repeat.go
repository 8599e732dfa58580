package faults

import "github.com/ackproof/ackproof/bench"

// gatewayRepeat is a client, or a proxy on its way, that has given up on an answer
// and sends the same again. The API cannot know, and works it off as another
// request, under a request id of its own.
var gatewayRepeat = Kind{
	Name:       "gateway.repeat",
	Place:      bench.PlaceGateway,
	About:      "Lets the request reach the API a second time after the API has acted; the second answer is the one that counts.",
	Ops:        []string{"Request"},
	Correct:    "The second put finds the item as it is, writes no record, and changes nothing.",
	Exposes:    "A key or an attribute that differs each time makes a second item, or a second record, and the work is done twice.",
	Example:    "at 3s for 5s: gateway.repeat 5%",
	AcceptPath: true,
}
