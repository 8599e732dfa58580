package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Stack says what the system under test is to be. The caller adds Run, Dir and,
// for a binary of the user's own, Processor.Path.
func (s *Scenario) Stack(seed uint64) bench.Stack {
	stack := bench.Stack{
		Seed:         seed,
		Architecture: s.Architecture,
		Shards:       s.Table.Shards,
		ViewType:     s.Table.StreamViewType,
		Processor: bench.Processor{
			Work:        s.Processor.Work,
			Burn:        s.Processor.Burn,
			Timeout:     s.Processor.Timeout,
			Concurrency: s.Processor.Concurrency,
		},
		Mapping: bench.Mapping{
			BatchSize:                      s.Mapping.BatchSize,
			MaximumBatchingWindowInSeconds: s.Mapping.MaximumBatchingWindowInSeconds,
			ParallelizationFactor:          s.Mapping.ParallelizationFactor,
			MaximumRetryAttempts:           s.Mapping.MaximumRetryAttempts,
			MaximumRecordAgeInSeconds:      s.Mapping.MaximumRecordAgeInSeconds,
			BisectBatchOnFunctionError:     s.Mapping.BisectBatchOnFunctionError,
			StartingPosition:               s.Mapping.StartingPosition,
			PollInterval:                   s.Mapping.PollInterval,
			RetryBase:                      s.Mapping.RetryBase,
			RetryCap:                       s.Mapping.RetryCap,
		},
		Async: bench.Async{
			MaximumRetryAttempts:     s.Async.MaximumRetryAttempts,
			MaximumEventAgeInSeconds: s.Async.MaximumEventAgeInSeconds,
			RetryDelays:              slices.Clone(s.Async.RetryDelays),
		},
		Gateway: bench.Gateway{Path: s.Gateway.Path, Template: s.Gateway.Template},
	}
	if s.Mapping.OnFailure != onFailureNone {
		stack.Mapping.OnFailure = s.Mapping.OnFailure
	}
	for _, key := range slices.Sorted(maps.Keys(s.Processor.Env)) {
		stack.Processor.Env = append(stack.Processor.Env, key+"="+s.Processor.Env[key])
	}
	for _, f := range s.Faults {
		stack.Faults = append(stack.Faults, f.String())
	}
	return stack
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

// Notes says what a reader of the results must know: where waits are shorter
// than AWS's own, so that a run need not take hours.
func (s *Scenario) Notes() []string {
	var notes []string
	d := defaults()
	if s.Architecture == bench.FireAndForget && !slices.Equal(s.Async.RetryDelays, d.Async.RetryDelays) {
		notes = append(notes, fmt.Sprintf("asynchronous retries wait %v here; AWS waits %v", s.Async.RetryDelays, d.Async.RetryDelays))
	}
	if s.Architecture == bench.Streams && s.Mapping.PollInterval != d.Mapping.PollInterval {
		notes = append(notes, fmt.Sprintf("each shard is polled every %s here; AWS polls every %s", s.Mapping.PollInterval, d.Mapping.PollInterval))
	}
	return notes
}
