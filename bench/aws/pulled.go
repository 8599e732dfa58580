package aws

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/breakable"
	"github.com/ackproof/ackproof/faults"
)

// Lacks says why a fault cannot be brought about on AWS, one sentence each.
func (l *Levers) Lacks(stack bench.Stack) (lacks []string) {
	var all []faults.Fault
	for _, text := range stack.Faults {
		f, err := faults.Parse(text)
		if err != nil {
			return []string{err.Error()}
		}
		all = append(all, f)
	}
	for i, f := range all {
		for _, why := range append(lacksOf(f, stack.Architecture), l.lacksPart(f, stack.Architecture)...) {
			lacks = append(lacks, fmt.Sprintf("the fault %q: %s", stack.Faults[i], why))
		}
		for j := range i {
			if at := pulledAt(f, i); at != "" && at == pulledAt(all[j], j) && meet(f, all[j]) {
				lacks = append(lacks, fmt.Sprintf("the faults %q and %q pull one lever, %s: let the first be over when the second begins", stack.Faults[j], stack.Faults[i], at))
			}
		}
	}
	return lacks
}

// meet reports whether two faults may be in force at one moment.
func meet(f, g faults.Fault) bool {
	from, to := f.Window()
	a, b := g.Window()
	return from <= b && a <= to
}

// lacksPart says what of the system a lever is pulled at and is not known.
func (l *Levers) lacksPart(f faults.Fault, architecture string) (lacks []string) {
	p := l.opts.Parts
	atAPI := atStage(f) || f.Kind.Name == "table.deny" && architecture == bench.Streams
	if atAPI && p.API == "" {
		lacks = append(lacks, "it is pulled at the stage of the API, which a URL of another form than https://ID.execute-api.REGION.amazonaws.com/STAGE does not tell: leave the fault out, or name that URL")
	}
	for _, part := range []struct {
		place     bench.Place
		name, key string
	}{{bench.PlaceTable, p.Items, "items"}, {bench.PlaceTableWay, p.Items, "items"}, {bench.PlaceResults, p.Results, "results"}} {
		if _, on := f.Kind.OnAWS(); on && f.Kind.Place == part.place && part.name == "" {
			lacks = append(lacks, fmt.Sprintf("no table is named that it is pulled at: say target: {%s: {table: NAME}}", part.key))
		}
	}
	return lacks
}

// lacksOf says what of a fault AWS has no lever for.
func lacksOf(f faults.Fault, architecture string) (lacks []string) {
	k := f.Kind
	switch {
	case k.Place == bench.PlaceExec, k.Place == bench.PlaceClient && !atStage(f) && f.Placement != faults.MidBody:
		return nil // made by commands, or by the load generator
	}
	if _, ok := k.OnAWS(); !ok {
		return []string{fmt.Sprintf("AWS has no lever for %s: run it on --target local, break it with commands of your own (exec.run), or leave it out", k.Name)}
	}
	inside, moment := k.Place == bench.PlaceProcessor, k.Name == "mapping.update" || k.Name == "mapping.recreate"
	for _, l := range []struct {
		is   bool
		what string
	}{
		{f.On != "", "AWS counts no operations: say when, with \"at TIME for TIME\""},
		{f.Share != 100 && !inside, "this lever takes all or nothing: leave the share out"},
		{f.On == "" && f.For == 0 && !inside && !moment, "a lever is pulled until it is put back: say for how long, with \"for TIME\""},
		{f.Every != 0 && !inside, "a lever is pulled once: leave \"every\" out"},
		{f.By != 0 && moment, "how long it takes to the first poll AWS alone decides: leave by= out"},
		{f.Placement != "" && !inside && f.Placement != k.Placements[0], "no lever knows a moment within an operation: leave the placement out"},
		{k.Place == bench.PlaceMapping && architecture != bench.Streams, fmt.Sprintf("it needs an event source mapping, and the architecture %s has none: use %s", architecture, bench.Streams)},
		{k.Place == bench.PlaceRead && architecture != bench.Streams, fmt.Sprintf("it needs a stream, and the architecture %s has none: use %s", architecture, bench.Streams)},
		{k.Name == "invoke.throttle" && architecture == bench.FireAndForget, "its lever is a reserved concurrency of 0, at which Lambda drops asynchronous events instead of waiting: say invoke.disable, which means that"},
		{k.Name == "function.timeout" && (f.By%time.Second != 0 || f.By > 15*time.Minute), "a function's time-out is 1 to 900 whole seconds"},
	} {
		if l.is {
			lacks = append(lacks, l.what)
		}
	}
	if k.Name == "function.memory" {
		if _, err := megabytes(f.Named); err != nil {
			lacks = append(lacks, err.Error())
		}
	}
	return lacks
}

// atStage reports whether a fault is one that the stage of the API can make: for a
// time, all requests or none. What is finer the load generator makes.
func atStage(f faults.Fault) bool {
	return f.Kind.Name == "client.throttle" && f.On == "" && f.For > 0 && f.Every == 0 && f.Share == 100
}

// megabytes reads a memory size such as 128MB.
func megabytes(text string) (int32, error) {
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "MB"), 10, 32)
	if err != nil || n < 128 || n > 10240 || !strings.HasSuffix(text, "MB") {
		return 0, fmt.Errorf("to=%s: want 128MB to 10240MB", text)
	}
	return int32(n), nil
}

// pulledAt names what a fault changes: two faults must not change one thing at once.
func pulledAt(f faults.Fault, i int) string {
	switch f.Kind.Place {
	case bench.PlaceExec:
		return ""
	case bench.PlaceClient:
		if !atStage(f) {
			return ""
		}
	case bench.PlaceProcessor:
		return fmt.Sprintf("variable %d", i)
	case bench.PlaceInvoke:
		return "reserved concurrency"
	case bench.PlaceMapping:
		return "event source mapping"
	case bench.PlaceTable, bench.PlaceResults:
		if strings.HasSuffix(f.Kind.Name, ".throttle") {
			return "capacity of the table of " + f.Kind.Name
		}
	}
	return f.Kind.Name
}

// stale is how long behind its end a variable that nobody has removed still strikes.
const stale = 2 * time.Hour

// Pulls reports whether a lever makes a fault of a stack.
func (l *Levers) Pulls(stack bench.Stack, fault int) bool {
	f, err := faults.Parse(stack.Faults[fault])
	return err == nil && pullable(f)
}

// pullable reports whether there is a lever for a fault as it is.
func pullable(f faults.Fault) bool {
	_, ok := f.Kind.OnAWS()
	return ok && (f.Kind.Place != bench.PlaceClient || atStage(f))
}

// lever makes the lever of a fault; nil: there is none.
func (l *Levers) lever(i int, f faults.Fault) lever {
	if !pullable(f) {
		return nil
	}
	p := l.opts.Parts
	mapping := source{p.Function, p.Stream}
	switch f.Kind.Name {
	case "invoke.throttle", "invoke.disable":
		return &concurrency{Function: p.Function}
	case "mapping.disable":
		return &mappingOff{source: mapping}
	case "mapping.update":
		return &mappingUpdate{source: mapping}
	case "mapping.recreate":
		return &mappingAnew{source: mapping}
	case "function.timeout":
		return &setting{Function: p.Function, What: settingTimeout, To: int32(f.By / time.Second)}
	case "function.memory":
		mb, _ := megabytes(f.Named) // Lacks has looked
		return &setting{Function: p.Function, What: settingMemory, To: mb}
	case "processor.kill", "processor.error", "processor.slow":
		flag := l.flag(i, f)
		return &setting{Function: p.Function, What: settingVariable, Name: flag.Variable(), Value: flag.Encode(), Struck: flag.Line()}
	case "table.throttle":
		return &capacity{Table: p.Items}
	case "results.throttle":
		return &capacity{Table: p.Results}
	case "client.throttle":
		return &throttled{API: p.API, Stage: p.Stage}
	case "fis.run":
		return &experiment{Template: f.Named, Tag: fmt.Sprintf("%s-%d", l.stack.Run, i), Function: p.Function}
	case "stream.deny", "results.deny", "table.deny":
		return l.denial(i, f)
	}
	return nil
}

// writesTable are the actions of IAM that write into a table. A transaction takes those
// of its parts.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
var writesTable = []string{"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}

// readsStream are those that read a stream.
var readsStream = []string{"dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"}

// denial makes the lever that takes a permission from who uses it.
func (l *Levers) denial(i int, f faults.Fault) *deny {
	p := l.opts.Parts
	d := &deny{
		Policy: fmt.Sprintf("ackproof-fault-%s-%d", l.stack.Run, i), Actions: writesTable,
		find: functionRole(p.Function), told: &deniedInLog{function: p.Function},
	}
	switch {
	case f.Kind.Name == "stream.deny":
		d.Actions, d.Resource, d.told = readsStream, p.Stream, &stuckMapping{source: source{p.Function, p.Stream}}
	case f.Kind.Name == "results.deny":
		d.Resource = l.table(p.Results)
	default:
		d.Resource = l.table(p.Items)
		if l.stack.Architecture == bench.Streams { // the API writes it, not the function
			d.find, d.told = integrationRole(p.API), &refusedByAPI{api: p.API, stage: p.Stage}
		}
	}
	return d
}

// table is the ARN of a table.
func (l *Levers) table(name string) string {
	partition := "aws"
	if parts := strings.Split(l.opts.Account.Caller, ":"); len(parts) > 1 {
		partition = parts[1]
	}
	return fmt.Sprintf("arn:%s:dynamodb:%s:%s:table/%s", partition, l.opts.Account.Region, l.opts.Account.ID, name)
}

// flag is a fault as the function is told of it.
func (l *Levers) flag(i int, f faults.Fault) breakable.Flag {
	placement := f.Placement
	if placement == "" {
		placement = faults.Before
	}
	return breakable.Flag{
		Run: l.stack.Run, Fault: i, Kind: f.Kind.Name, Placement: string(placement), Writes: f.Writes, Share: f.Share,
		ByMs: int64(math.Ceil(f.By.Seconds() * 1000)), Once: f.OneStrike(), EveryMs: f.Every.Milliseconds(), Seed: l.stack.Seed,
		UntilMs: l.hand.clock.Now().Add(f.At + f.For + stale).UnixMilli(),
	}
}

// apiOf is the id of an API by its URL; "": the URL is of another form.
func apiOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	id, rest, _ := strings.Cut(u.Hostname(), ".")
	if !strings.HasPrefix(rest, "execute-api.") {
		return ""
	}
	return id
}
