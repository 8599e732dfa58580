package faults

import "github.com/ackproof/ackproof/bench"

// OnAWS says how a kind is brought about on AWS: by the levers of AWS's own.
type OnAWS struct {
	Lever   string // what is pulled, by the name of the API
	Counted string // the independent counter of its bites, and how late it is
}

// Counters of bites on AWS. What the API answers when a lever is pulled is none.
const (
	throttlesCounted = "metric Throttles of Lambda, minutes late"
	denialsCounted   = "lines of the function's log that name AccessDenied, seconds late"
	linesCounted     = "lines that the function logs as it is struck, seconds late"
	refusalsCounted  = "metric 4XXError of the stage, minutes late"
	writesCounted    = "metric WriteThrottleEvents of the table, on demand WriteMaxOnDemandThroughputThrottleEvents, minutes late"
)

// onAWS has the kinds that AWS has a lever for.
var onAWS = map[string]OnAWS{
	processorKill.Name:   {"UpdateFunctionConfiguration: a variable that package breakable understands", linesCounted},
	processorError.Name:  {"UpdateFunctionConfiguration: a variable that package breakable understands", linesCounted},
	processorSlow.Name:   {"UpdateFunctionConfiguration: a variable that package breakable understands", linesCounted},
	invokeThrottle.Name:  {"PutFunctionConcurrency 0", throttlesCounted},
	invokeDisable.Name:   {"PutFunctionConcurrency 0", throttlesCounted},
	functionTimeout.Name: {"UpdateFunctionConfiguration Timeout", "lines of the function's log that say Task timed out, seconds late"},
	functionMemory.Name:  {"UpdateFunctionConfiguration MemorySize", "report lines of the function's log with that memory, seconds late"},
	mappingDisable.Name:  {"UpdateEventSourceMapping Enabled=false", "State is seen to be Disabled, at once"},
	mappingUpdate.Name:   {"UpdateEventSourceMapping with the settings that it has", "State is seen to be Enabled with a new LastModified, at once"},
	mappingRecreate.Name: {"DeleteEventSourceMapping, CreateEventSourceMapping", "another UUID is seen to be Enabled, at once"},
	streamDeny.Name:      {"PutRolePolicy: a Deny on the stream", "LastProcessingResult of the mapping names the problem, up to minutes late"},
	resultsDeny.Name:     {"PutRolePolicy: a Deny on the results table", denialsCounted},
	tableDeny.Name:       {"PutRolePolicy: a Deny on the items table", refusalsCounted + "; of architectures whose processor writes it, " + denialsCounted},
	tableThrottle.Name:   {"UpdateTable: a write capacity of 1, or on demand a maximum write throughput of 1", writesCounted},
	resultsThrottle.Name: {"UpdateTable: a write capacity of 1, or on demand a maximum write throughput of 1", writesCounted},
	clientThrottle.Name:  {"UpdateStage: a throttling rate of 0; a share, a number or \"every\": the load generator itself", refusalsCounted + "; of the load generator, by itself"},
	fisRun.Name:          {"StartExperiment, StopExperiment", "the experiment is seen to run, seconds late"},
}

// OnAWS tells how the kind is brought about on AWS; ok is false where AWS has no
// lever for it.
func (k *Kind) OnAWS() (how OnAWS, ok bool) {
	how, ok = onAWS[k.Name]
	return how, ok
}

// Targets lists the targets on which the kind can strike: local, http, aws.
func (k *Kind) Targets() (names []string) {
	if k.Place == bench.PlaceExec || k.Place == bench.PlaceClient { // commands, and the load generator
		return []string{"local", "http", "aws"}
	}
	if k.Place != bench.PlaceFunction && k.Place != bench.PlaceFIS {
		names = append(names, "local")
	}
	if _, ok := k.OnAWS(); ok {
		names = append(names, "aws")
	}
	return names
}
