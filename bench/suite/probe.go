package suite

import (
	"fmt"
	"slices"
)

// Base is the built-in scenario that every probe starts from. What is set over it
// makes it short, and its stack the sound one.
const Base = "baseline"

// setup holds the overrides that all probes share. Six seconds of load: two
// before the fault, two in which it may strike, and two after it.
var setup = []string{
	"load=[{name: steady, for: 6s, rate: 100/s}]",
	"expect=[]",
	"table.shards=2",
	"processor.work=1ms", "processor.timeout=1s", "processor.concurrency=4",
	"mapping.batchSize=10", "mapping.pollInterval=100ms", "mapping.retryCap=500ms",
	"guarantee.deadLetters=allow",
	"drain.timeout=10s", "drain.quiet=8s",
}

// Settings are the choices of ackproof's own about the mapping, the sound ones.
// A report gives them as settings: what they bring about is not inferred.
var Settings = []string{
	"mapping.maximumRetryAttempts=2",
	"mapping.bisectBatchOnFunctionError=true",
	"mapping.functionResponseTypes=[ReportBatchItemFailures]",
	"mapping.onFailure=payload",
	"mapping.startingPosition=TRIM_HORIZON",
	"mapping.maximumRecordAgeInSeconds=-1",
	"processor.env.ACKPROOF_PARTIAL=true",
}

// twoVersions makes a repeated request another version of its item, which it is
// not while both are the same: then there is no second record.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
const twoVersions = `gateway.template={"TableName": "$stageVariables.itemsTable", "Item": {"id": {"S": $input.json('$.id')}, "payload": {"S": $input.json('$.payload')}, "request": {"S": "$context.requestId"}}}`

// Probe is one short run with one fault, and what it is to find out.
type Probe struct {
	Name  string
	About string   // what is done to the system
	Set   []string // overrides
	// Poison are the requests whose payload the built-in processor can never
	// process.
	Poison []uint64
}

// Names of the probes that are not the same on a system of the user's own.
const (
	Control = "control"
	Poison  = "poison"
	Cut     = "cut"
)

// probes are all of them, in the order in which they are run and shown.
var probes = []Probe{
	{Name: Control, About: "nothing goes wrong"},
	{Name: Poison, About: "four records can never be processed", Poison: []uint64{250, 251, 252, 380}},
	{Name: "error", About: "invocations fail before the handler has begun", Set: faults("at 2s for 1500ms: processor.error")},
	{Name: "kill", About: "the process is killed in the middle of a batch", Set: faults("at 2s for 2s every 500ms: processor.kill after-write 5")},
	{Name: "after", About: "invocations fail after all effects are written", Set: faults("at 2s for 2s every 500ms: processor.error after-effects")},
	{Name: "deny", About: "the results table refuses a third of the writes", Set: faults("at 2s for 2s: results.deny 30%")},
	{Name: "late", About: "writes of timed-out processes arrive after those of their successors", Set: append(faults(
		"at 1s for 4s: gateway.repeat", "at 2s for 2s every 150ms: results.late by=3s"), twoVersions, "guarantee.effects=at-least-once",
		"table.shards=4", "mapping.maximumRetryAttempts=-1")}, // a batch that is given up is another story
	{Name: "recreate", About: "the mapping is deleted and made anew", Set: faults("at 3s: mapping.recreate by=300ms")},
	{Name: "outage", About: "invocations are throttled for more than a minute", Set: faults("at 2s for 2s: invoke.throttle", "at 3s: clock.skip by=61s")},
	{Name: "throttle", About: "the items table refuses a third of the writes", Set: faults("at 2s for 2s: table.throttle 30%")},
	{Name: Cut, About: "the client's connection breaks before the answer", Set: faults("at 2s for 2s: gateway.cut 10%")},
	{Name: "repeat", About: "requests reach the API twice", Set: faults("at 2s for 2s: gateway.repeat 20%")},
}

func faults(lines ...string) []string {
	text := ""
	for i, l := range lines {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%q", l)
	}
	return []string{"faults=[" + text + "]"}
}

// Probes lists all probes.
func Probes() []Probe { return slices.Clone(probes) }

// Overrides gives the --set of a probe in front of a configuration: what the
// configuration says counts.
func (p Probe) Overrides(configuration ...string) []string {
	set := slices.Concat([]string{"name=" + p.Name, "about=" + p.About}, setup, Settings, p.Set)
	if len(p.Poison) > 0 {
		set = append(set, fmt.Sprintf("workload.poison=[%s]", list(p.Poison)))
	}
	return append(set, configuration...)
}

func list(numbers []uint64) string {
	text := ""
	for i, n := range numbers {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(n)
	}
	return text
}
