package faults

import "github.com/ackproof/ackproof/bench"

// mappingUpdate changes nothing but the poller: AWS stops it and starts it again,
// which can take minutes, and warns that LATEST may miss records meanwhile:
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
var mappingUpdate = Kind{
	Name:    "mapping.update",
	Place:   bench.PlaceMapping,
	About:   "Updates the event source mapping with the settings that it has: its poller stops and starts again.",
	Keys:    []Key{{Name: "by", About: "how long it takes to the next poll, while the mapping says Enabled; without it mapping.startDelay"}},
	Lever:   true,
	Single:  true,
	Correct: "Processing pauses and goes on at the checkpoint.",
	Exposes: "A mapping that started at LATEST goes on at the stream's end, and misses what came meanwhile.",
	Example: "at 4s: mapping.update by=2s",
}
