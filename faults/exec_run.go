package faults

import "github.com/ackproof/ackproof/bench"

// execRun is a fault that ackproof cannot do itself: a firewall rule, a container
// that is paused, a stack that is somebody else's. What it breaks outlives a run
// that is killed, so that its undoing is on disk before it is done.
var execRun = Kind{
	Name:       "exec.run",
	Place:      bench.PlaceExec,
	About:      "Breaks something with your own commands: do at its begin, undo and confirm at its end or at the next start, and count says how often it has struck.",
	Keys:       []Key{{Name: "command", Word: true, About: "one of the scenario's commands", Required: true}},
	Lever:      true,
	Single:     true,
	Whole:      true,
	AcceptPath: true, // nobody knows what the commands break
	Correct:    "Whatever was acknowledged is stored and processed once, whatever they have broken.",
	Exposes:    "What ackproof has no kind for.",
	Example:    "at 3s for 5s: exec.run command=block",
}
