package faults

import "github.com/ackproof/ackproof/bench"

// clockSkip makes a day of AWS fit into seconds, with AWS's own limits: 24 hours
// of retention, at least 60 s of record age, any time to live.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
var clockSkip = Kind{
	Name:    "clock.skip",
	Place:   bench.PlaceClock,
	About:   "Lets the time of table, stream, mapping and asynchronous events jump ahead, as if nothing had happened meanwhile; it does not come back.",
	Keys:    []Key{{Name: "by", About: "how far", Required: true}},
	Lever:   true,
	Single:  true,
	Correct: "What was processed stays so; what waits is older, and expires where a limit says so.",
	Exposes: "Records and events that wait longer than their maximum age or the stream's retention, and items that wait longer than their time to live.",
	Example: "at 5s: clock.skip by=24h",
}
