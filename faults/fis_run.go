package faults

import "github.com/ackproof/ackproof/bench"

// fisRun is an experiment of AWS Fault Injection Service, which has a role, targets
// and stop conditions of its own:
// https://docs.aws.amazon.com/fis/latest/userguide/use-lambda-actions.html
var fisRun = Kind{
	Name:       "fis.run",
	Place:      bench.PlaceFIS,
	About:      "Starts an experiment of AWS Fault Injection Service, of a template of your own, and stops it.",
	Keys:       []Key{{Name: "template", Word: true, About: "id of the experiment template, such as EXT1a2b3c4d5e6f7", Required: true}},
	Lever:      true,
	Single:     true,
	Whole:      true,
	AcceptPath: true, // nobody knows what the template breaks
	Correct:    "Whatever was acknowledged is stored and processed once, whatever the experiment has broken.",
	Exposes:    "What AWS can break and ackproof cannot.",
	Example:    "at 30s for 2m: fis.run template=EXT1a2b3c4d5e6f7",
}
