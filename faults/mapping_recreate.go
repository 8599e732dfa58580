package faults

import "github.com/ackproof/ackproof/bench"

// mappingRecreate is what a deployment does that replaces the mapping, as
// CloudFormation does where StartingPosition changes:
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-eventsourcemapping.html
var mappingRecreate = Kind{
	Name:    "mapping.recreate",
	Place:   bench.PlaceMapping,
	About:   "Deletes the event source mapping and makes it anew: its position is lost, and it begins at mapping.startingPosition.",
	Keys:    []Key{{Name: "by", About: "how long it takes to the first poll, while the mapping says Enabled; without it mapping.startDelay"}},
	Lever:   true,
	Single:  true,
	Correct: "From TRIM_HORIZON everything that the stream still has is delivered again, and each effect is applied once.",
	Exposes: "From LATEST what came before the first poll is lost; from TRIM_HORIZON work that is not idempotent is done twice.",
	Example: "at 4s: mapping.recreate by=2s",
}
