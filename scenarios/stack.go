package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/faults"
)

// Stack says what the system under test is to be. The caller adds Run, Dir and,
// for a binary of the user's own, Processor.Path.
func (s *Scenario) Stack(seed uint64) bench.Stack {
	stack := bench.Stack{
		Seed:         seed,
		Architecture: s.Architecture,
		Shards:       s.Table.Shards,
		ViewType:     s.Table.StreamViewType,
		OneTable:     s.Table.OneTable,
		TimeToLive:   s.Table.TimeToLive,
		Processor: bench.Processor{
			Work:        s.Processor.Work,
			Burn:        s.Processor.Burn,
			Timeout:     s.Processor.Timeout,
			Concurrency: s.Processor.Concurrency,
			MemoryMB:    s.Processor.Memory,
		},
		Mapping: bench.Mapping{
			BatchSize:                      s.Mapping.BatchSize,
			MaximumBatchingWindowInSeconds: s.Mapping.MaximumBatchingWindowInSeconds,
			ParallelizationFactor:          s.Mapping.ParallelizationFactor,
			MaximumRetryAttempts:           s.Mapping.MaximumRetryAttempts,
			MaximumRecordAgeInSeconds:      s.Mapping.MaximumRecordAgeInSeconds,
			BisectBatchOnFunctionError:     s.Mapping.BisectBatchOnFunctionError,
			StartingPosition:               s.Mapping.StartingPosition,
			FunctionResponseTypes:          slices.Clone(s.Mapping.FunctionResponseTypes),
			FilterCriteria:                 slices.Clone(s.Mapping.FilterCriteria),
			TumblingWindowInSeconds:        s.Mapping.TumblingWindowInSeconds,
			StartDelay:                     s.Mapping.StartDelay,
			PollInterval:                   s.Mapping.PollInterval,
			RetryBase:                      s.Mapping.RetryBase,
			RetryCap:                       s.Mapping.RetryCap,
		},
		Async: bench.Async{
			MaximumRetryAttempts:     s.Async.MaximumRetryAttempts,
			MaximumEventAgeInSeconds: s.Async.MaximumEventAgeInSeconds,
			RetryDelays:              slices.Clone(s.Async.RetryDelays),
		},
		Gateway: s.Gateway.stack(),
		System:  s.system(),
	}
	if s.Mapping.OnFailure != onFailureNone {
		stack.Mapping.OnFailure = s.Mapping.OnFailure
	}
	if s.Async.OnFailure != onFailureNone {
		stack.Async.OnFailure = s.Async.OnFailure
	}
	for _, key := range slices.Sorted(maps.Keys(s.Processor.Env)) {
		stack.Processor.Env = append(stack.Processor.Env, key+"="+s.Processor.Env[key])
	}
	for _, f := range s.Faults {
		stack.Faults = append(stack.Faults, f.String())
	}
	return stack
}

// stack gives the API's settings as the system under test wants them.
func (g *Gateway) stack() bench.Gateway {
	out := bench.Gateway{
		Path: g.Path, Template: g.Template,
		StatusMapping: g.StatusMapping, MethodResponses: slices.Clone(g.MethodResponses),
		Defect: g.Defect, Passthrough: g.PassthroughBehavior, IntegrationTimeout: g.IntegrationTimeout,
		Throttle: bench.Throttle{Rate: float64(g.Throttle.Rate), Burst: g.Throttle.Burst},
	}
	for _, r := range g.Responses {
		out.Responses = append(out.Responses, bench.IntegrationResponse{Pattern: r.Pattern, Status: r.Status, Template: r.Template})
	}
	return out
}

// WithArchitecture gives the same scenario for another architecture, to compare
// with. Where drain.quiet is too short for the other's retries it is raised; an
// architecture that cannot carry the load is an error.
func (s *Scenario) WithArchitecture(name string) (*Scenario, error) {
	c := *s
	c.Architecture = name
	if need := c.longestSilence(); c.Drain.Quiet <= need {
		c.Drain.Quiet = need + 5*time.Second
	}
	if c.Drain.Proof == ProofSentinels && name != bench.Streams {
		c.Drain.Proof = ProofAuto // there is no stream to send them through
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("scenario %s as %s: %w", s.Name, name, err)
	}
	return &c, nil
}

// WithLoad gives the same scenario with one stage of a constant rate instead of
// its load. Faults, poison and expectations must still fit into it.
func (s *Scenario) WithLoad(rate Rate, length time.Duration) (*Scenario, error) {
	c := *s
	c.Load = []Stage{{Name: "load", For: length, Rate: &rate}}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("scenario %s with %s for %s: %w", s.Name, rate, length, err)
	}
	return &c, nil
}

// ForCapacity gives the same system under another load, to see how much it takes:
// nothing is broken, no record is poisoned, more than the processor can follow is
// meant, and what is still waiting after a while is left.
func (s *Scenario) ForCapacity(load []Stage, expect []Expectation, drain time.Duration) (*Scenario, error) {
	c := *s
	c.Load, c.Expect, c.Overload = load, expect, true
	c.Faults, c.Commands, c.Workload.Poison = []faults.Fault{}, nil, nil
	c.Drain.Timeout = drain
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("scenario %s under a load of its capacity: %w", s.Name, err)
	}
	return &c, nil
}

// ForProbe gives the same system and load with some of its faults alone, and the
// commands that they run; poisoned: with its poison too. Dead letters are no loss, and
// nothing is expected: what became of the requests is all that is asked.
func (s *Scenario) ForProbe(name, about string, keep []faults.Fault, poisoned bool) (*Scenario, error) {
	c := *s
	c.Name, c.About, c.Expect, c.Faults, c.Guarantee.DeadLetters = name, about, []Expectation{}, keep, DeadLettersAllow
	c.Commands = slices.Clone(c.Commands)
	c.Commands = slices.DeleteFunc(c.Commands, func(b Breakage) bool {
		return !slices.ContainsFunc(keep, func(f faults.Fault) bool { return f.Named == b.Name })
	})
	if !poisoned {
		c.Workload.Poison = nil
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("scenario %s with the faults of the probe %s: %w", s.Name, name, err)
	}
	return &c, nil
}

// WithOneShard gives the same scenario for a DynamoDB that decides itself how
// many shards a stream has. Stand-ins have one, so that is what the processor
// must be able to follow. Other architectures read no stream.
func (s *Scenario) WithOneShard() (*Scenario, error) {
	c := *s
	c.Table.Shards = 1
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("scenario %s on a DynamoDB of others, where table.shards cannot be chosen and is taken as 1: %w; "+
			"--set load.scale=0.1 makes every rate a tenth", s.Name, err)
	}
	return &c, nil
}

// Notes says what a reader of the results must know: where waits are shorter
// than AWS's own, so that a run need not take hours, and what they stand for.
func (s *Scenario) Notes() []string {
	var notes []string
	if s.Named() {
		return append(notes, s.targetNotes()...)
	}
	real := defaults()
	if s.Architecture == bench.FireAndForget {
		notes = append(notes, s.asyncNote(real.Async.RetryDelays))
	}
	if s.Architecture == bench.Streams && s.Mapping.PollInterval != real.Mapping.PollInterval {
		notes = append(notes, fmt.Sprintf("each shard is polled every %s here; AWS polls every %s", s.Mapping.PollInterval, real.Mapping.PollInterval))
	}
	if d := s.Mapping.StartDelay; s.Architecture == bench.Streams && d > 0 {
		notes = append(notes, fmt.Sprintf("the mapping begins to poll %s after it was made; on AWS that can take minutes", d))
	}
	if n := len(s.Workload.Poison); n > 0 {
		notes = append(notes, fmt.Sprintf("%d of the planned requests carry a payload that the processor always refuses", n))
	}
	if s.Read.By == ReadGet {
		notes = append(notes, "the tables were asked for the ids of the run alone: what else they hold was not looked at, so nothing is said of ids that were never sent")
	}
	return notes
}

// asyncNote says how fire-and-forget keeps what it accepted, and how far its
// waits are scaled down.
func (s *Scenario) asyncNote(waits []time.Duration) string {
	attempts := s.Async.MaximumRetryAttempts + 1
	end := "drops it"
	if s.Async.OnFailure != onFailureNone {
		end = "hands it to its on-failure destination"
	}
	kept := fmt.Sprintf("fire-and-forget keeps an accepted event in Lambda's queue alone, tries it %d time(s), and then %s", attempts, end)
	if attempts == 1 || slices.Equal(s.Async.RetryDelays, waits) {
		return kept
	}
	scale := float64(waits[0]) / float64(s.Async.RetryDelays[0])
	stands := func(d time.Duration) time.Duration { return time.Duration(float64(d) * scale).Round(time.Second) }
	note := fmt.Sprintf("%s; between the attempts it waits %v here and %v on AWS", kept, s.Async.RetryDelays, waits)
	for _, f := range s.Faults {
		if f.For > 0 {
			note += fmt.Sprintf(", so %s of a fault here stand for %s there", f.For, stands(f.For))
			break
		}
	}
	return note
}
