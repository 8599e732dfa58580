package scenarios

import (
	"github.com/ackproof/ackproof/faults"
	"slices"

	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// checkFaults checks that each fault strikes while there is load to see it.
func (c *checker) checkFaults() {
	if !c.readable("load") {
		return
	}
	length := c.length()
	for i, f := range c.Faults {
		path := fmt.Sprintf("faults[%d]", i)
		if !c.readable(path) {
			continue // no fault at all
		}
		if f.Kind == nil {
			c.failf(path, "no fault: write one such as %q", "at 5s: processor.kill")
			continue
		}
		if from, to := f.Window(); from >= length && f.On == "" {
			c.failf(path, "it strikes at %s, and the load ends at %s", from, length)
		} else if to > length {
			c.failf(path, "it ends at %s, after the load (%s): nobody would see the system recover; end it earlier, or load for longer", to, length)
		}
		if killer := c.killer(); f.On != "" && killer != "" {
			c.failf(path, "it counts operations, and %s kills the process that counts: say when, with \"at TIME\"", killer)
		}
	}
}

// maxTimeout bounds each command, so that all of an undoing fits into its time.
const maxTimeout = 30 * time.Second

// checkCommands checks that the user's own commands are whole and that each fault
// finds its own.
func (c *checker) checkCommands() {
	known, used := []string{}, map[string]bool{}
	for i, b := range c.Commands {
		path := fmt.Sprintf("commands[%d]", i)
		switch {
		case !nameForm.MatchString(b.Name):
			c.failf(path+".name", "%q is no name: 1 to 64 letters, digits, dots, dashes and underscores", b.Name)
		case slices.Contains(known, b.Name):
			c.failf(path+".name", "%q is the name of earlier commands", b.Name)
		}
		known = append(known, b.Name)
		for _, one := range []struct {
			key string
			Command
		}{{"do", b.Do}, {"undo", b.Undo}, {"confirm", b.Confirm}, {"count", b.Count}} {
			if len(one.Run) == 0 || one.Run[0] == "" {
				c.failf(path+"."+one.key, "no command: say {run: [PROGRAM, ARGUMENT]}; a fault that is not undone, confirmed and counted proves nothing")
			}
			c.within(path+"."+one.key+".timeout", one.Timeout, time.Millisecond, maxTimeout)
		}
	}
	for i, f := range c.Faults {
		if f.Kind == nil || f.Kind.Place != bench.PlaceExec {
			continue
		}
		path := fmt.Sprintf("faults[%d]", i)
		switch near := faults.Nearest(f.Named, known); {
		case used[f.Named]:
			c.failf(path, "the commands %q are those of an earlier fault, and one undoing would undo both: give it others", f.Named)
		case slices.Contains(known, f.Named):
		case near != "":
			c.failf(path, "no commands are named %q; did you mean %s?", f.Named, near)
		default:
			c.failf(path, "no commands are named %q: add {name: %s, do: ..., undo: ..., confirm: ..., count: ...} to `commands`", f.Named, f.Named)
		}
		used[f.Named] = true
	}
	for i, name := range known {
		if !used[name] && c.readable("faults") {
			c.failf(fmt.Sprintf("commands[%d]", i), "no fault runs them: add \"at 3s for 5s: exec.run command=%s\", or leave them out", name)
		}
	}
}

// killer names a fault that kills the processes of the target themselves; "":
// there is none.
func (c *checker) killer() string {
	for _, f := range c.Faults {
		if f.Kind != nil && (f.Kind.Place == bench.PlaceCloud || f.Kind.Place == bench.PlaceDoor) {
			return f.Kind.Name
		}
	}
	return ""
}

func (c *checker) length() time.Duration {
	var length time.Duration
	for _, stage := range c.Load {
		length += stage.For
	}
	return length
}

// checkExpectations checks that what the expectations speak of is there.
func (c *checker) checkExpectations() {
	for i, e := range c.Expect {
		path := fmt.Sprintf("expect[%d]", i)
		if !c.readable(path) {
			continue
		}
		if e.Path == "" {
			c.failf(path, "no expectation: write one such as %q", "lost == 0")
			continue
		}
		if e.Phase != "" && c.readable("load") && !c.hasStage(e.Phase) {
			c.failf(path, "no stage of the load is named %q", e.Phase)
		}
		if e.Kind != "" && c.readable("request") && !slices.ContainsFunc(c.Request.Kinds, func(k RequestKind) bool { return k.Name == e.Kind }) {
			c.failf(path, "no kind of request.kinds is named %q", e.Kind)
		}
		c.checkSeen(path, e)
		if !c.readable("faults") {
			continue
		}
		if e.Fault != "" && !c.hasFault(e.Fault) {
			c.failf(path, "no fault of this scenario is %q: give its text, or its kind", e.Fault)
		}
		if e.Path == aliasRecovery && len(c.Faults) == 0 {
			c.failf(path, "there is no fault to recover from")
		}
	}
}

func (c *checker) hasStage(name string) bool {
	for _, stage := range c.Load {
		if stage.Name == name {
			return true
		}
	}
	return false
}

func (c *checker) hasFault(named string) bool {
	for _, f := range c.Faults {
		if f.Kind.Name == named || f.String() == named {
			return true
		}
	}
	return false
}

// checkCapacity refuses a plan that the processor cannot follow: its backlog
// would be the plan's doing, not the faults'. Of a system that is not ours it is
// not known what it can follow.
func (c *checker) checkCapacity() {
	if c.Overload || c.Target.named() || !c.readable("load", "workload", "processor", "table.shards", "mapping.batchSize", "mapping.parallelizationFactor", "architecture") {
		return
	}
	each := c.Processor.Work + c.Processor.Burn
	peak := Rate(0)
	for _, stage := range c.Load {
		peak = max(peak, stage.Peak())
	}
	busy, workers := c.busy(peak)
	if busy > busiest {
		c.failf("processor", "at %s and %s a record the processor would be busy %.0f%% of the time (%d at once), over %.0f%%: "+
			"lower load or processor.work, raise %s, or say overload: true if that is what you test",
			peak, each, busy*100, workers, busiest*100, c.widen())
	}
	if full := time.Duration(c.Mapping.BatchSize) * each; c.Architecture == bench.Streams && full >= c.Processor.Timeout {
		c.failf("mapping.batchSize", "a full batch of %d takes %s, and processor.timeout is %s: after a backlog it would time out for ever; "+
			"make batches smaller or the time-out longer, or say overload: true", c.Mapping.BatchSize, full, c.Processor.Timeout)
	}
	if each >= c.Processor.Timeout && c.Architecture != bench.Streams {
		c.failf("processor.timeout", "one record takes %s, and the time-out is %s: no invocation could succeed", each, c.Processor.Timeout)
	}
}

// busy computes which share of its time the processor works at a rate, and how
// many invocations there can be at once. A stream is read by as many
// invocations as it has lanes (shards × factor), if there are processes enough:
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
// The versions of one item share a lane, so that a hot key may be what decides.
func (s *Scenario) busy(rate Rate) (share float64, workers int) {
	workers = s.Processor.Concurrency
	if s.Architecture == bench.Streams {
		workers = min(workers, s.Table.Shards*s.Mapping.ParallelizationFactor)
	}
	each := (s.Processor.Work + s.Processor.Burn).Seconds()
	share = float64(rate) * each / float64(max(1, workers))
	if hot := s.hottest(); s.Architecture == bench.Streams && hot*float64(workers) > 1 {
		return float64(rate) * each * hot, 1
	}
	return share, workers
}

// hottest is the share of the requests that write the hottest key.
func (s *Scenario) hottest() float64 {
	if s.Workload.Kind != Versions {
		return 0
	}
	return newKeys(s.Workload, 0).hottest()
}

// widen names the setting that holds the processor back.
func (c *checker) widen() string {
	if workers := min(c.Processor.Concurrency, c.Table.Shards*c.Mapping.ParallelizationFactor); c.Architecture == bench.Streams && c.hottest()*float64(workers) > 1 {
		return "workload.keys, or lower workload.skew: the versions of a key are processed one after the other"
	}
	if c.Architecture == bench.Streams && c.Table.Shards*c.Mapping.ParallelizationFactor <= c.Processor.Concurrency {
		if c.Table.Shards*c.Mapping.ParallelizationFactor == c.Processor.Concurrency {
			return "table.shards and processor.concurrency"
		}
		return "table.shards"
	}
	return "processor.concurrency"
}
