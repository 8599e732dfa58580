package faults

import "github.com/ackproof/ackproof/bench"

// Site tells people about a place: what all kinds that strike there have in
// common.
type Site struct {
	Where   string // what is struck
	Needs   string // what a system must have for it; empty: any has it
	Counted string // where and when a bite is counted
	Undone  string // how it is taken away, and how that is confirmed
}

const (
	lets      = "the next operation is let through; nothing is left"
	streams   = "the architecture streams"
	asked     = "by the machine that is asked, when the operation has been struck"
	doneThere = "when the control plane has done it; what fails is told, and not counted"
)

var sites = map[bench.Place]Site{
	bench.PlaceTable:       {"operations on the items table, before they commit", "", asked, lets},
	bench.PlaceTableWay:    {"writes to the items table, on their way between sender and DynamoDB", "", asked, lets},
	bench.PlaceInvoke:      {"invocations, before a process is chosen", "", asked, lets},
	bench.PlaceProcessor:   {"the work of a processor process", "", "by the Lambda host, when the process has been hit", "the next invocation is let through; each process that was killed has a successor that has asked for work"},
	bench.PlaceClient:      {"requests, between client and API", "", asked, lets},
	bench.PlaceGateway:     {"requests, when the API has acted and before it answers", "", asked, lets},
	bench.PlaceDoor:        {"the process of the API", "", "when the process is dead", "its successor answers"},
	bench.PlaceResults:     {"the processor's writes to the results table", "a results table: not table.oneTable", asked, lets},
	bench.PlaceSkew:        {"the time that the processor writes to the results table", "a results table, and a processor that writes processedAt", "by the DynamoDB stand-in, when a time has been changed", lets},
	bench.PlaceDestination: {"documents for the on-failure destination", "an on-failure destination: mapping.onFailure, or async.onFailure", asked, lets},
	bench.PlaceRead:        {"the mapping's reads of the stream", streams, asked, lets},
	bench.PlaceDelivery:    {"batches that the processor has taken", streams, "when the batch has been handed over once more", lets},
	bench.PlaceMapping:     {"the event source mapping", streams, doneThere, "the mapping is enabled, and is seen to be"},
	bench.PlaceStream:      {"the stream of the items table", streams + ", and the embedded DynamoDB", doneThere, "what is off is on again; a split remains"},
	bench.PlaceClock:       {"the time of table, stream, mapping and asynchronous events", "streams or fire-and-forget, and the embedded DynamoDB", doneThere, "never: time does not come back"},
	bench.PlaceCloud:       {"all processes of the system under test", "data on disk: table.durable, or --data", "when the processes are dead", "their successors answer, on the same data"},
	bench.PlaceFunction:    {"the settings of the function", "a stack on AWS: --target aws", "of what the function logs: what was cut off, or ran with less", "the settings are as they were, and are seen to be; also from another machine, if this one dies"},
	bench.PlaceFIS:         {"what AWS Fault Injection Service breaks", "a stack on AWS, --target aws, and an experiment template of yours", "by FIS: the experiment is seen to run", "the experiment is seen to have ended"},
	bench.PlaceExec:        {"what your commands break", "commands in the scenario, and ackproof run", "by the command count, as the difference from before", "by the commands undo and confirm; also by the next run, if this one is killed"},
}

// Site tells about the kind's place.
func (k *Kind) Site() Site { return sites[k.Place] }

// Form is how the kind is written, with what it can take.
func (k *Kind) Form() string {
	form := "at T [for T] [every T]: "
	if k.Whole {
		form = "at T for T: "
	}
	form += k.Name
	if !k.Whole {
		form += " [SHARE%]"
	}
	for i, p := range k.Placements {
		switch {
		case i == 0:
			form += " [" + string(p)
		default:
			form += " | " + string(p)
		}
		if p == AfterWrite {
			form += " K"
		}
	}
	if len(k.Placements) > 0 {
		form += "]"
	}
	for _, key := range k.Keys {
		value := "T"
		if key.Word {
			value = "NAME"
		}
		form += " " + key.Name + "=" + value
	}
	return form
}
