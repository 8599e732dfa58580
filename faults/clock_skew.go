package faults

import "github.com/ackproof/ackproof/bench"

// Ahead and Behind say which way a clock is off.
const (
	Ahead  Placement = "ahead"
	Behind Placement = "behind"
)

// clockSkew is two hosts whose clocks differ. The processes of one machine share
// theirs, so the time is changed in what the processor writes: it strikes any
// processor that says when it has done its work.
var clockSkew = Kind{
	Name:       "clock.skew",
	Place:      bench.PlaceSkew,
	About:      "Puts the processor's clock ahead or behind: processedAt, in what it writes to the results table, is off.",
	Placements: []Placement{Ahead, Behind},
	Keys:       []Key{{Name: "by", About: "how far", Required: true}},
	Ops:        writes,
	Whole:      true,
	Correct:    "Nothing is lost or done twice; processing lag is what it was.",
	Exposes:    "A lag that is the difference of two clocks: negative, or too long; versions that are told apart by time.",
	Example:    "at 4s for 3s: clock.skew behind by=2s",
}
