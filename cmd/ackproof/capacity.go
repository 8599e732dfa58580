package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/capacity"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
	"github.com/ackproof/ackproof/scenarios"
)

// capacityFlags are those of `ackproof capacity`.
type capacityFlags struct {
	runs                    runFlags
	expect                  []string
	from, to, atLeast       scenarios.Rate
	acknowledged, precision scenarios.Percent
	settle, hold            time.Duration
	repeats, spike, trials  int
	only                    string
	quiet, schema           bool
}

// The questions, as --only names them.
const (
	askResponse = "response"
	askBacklog  = "backlog"
	askSpike    = "spike"
)

func capacityCommand(w world, code *int) *cobra.Command {
	f := capacityFlags{acknowledged: 99, precision: 10}
	cmd := &cobra.Command{
		Use:   "capacity SCENARIO",
		Short: "Find out how much it can take",
		Long: `Find the highest rate at which the API meets what is expected of its response time,
the highest rate that the processor sustains without a growing backlog, and how
long a spike takes to drain.

The system of SCENARIO is probed at one rate after the other, each time from its
start and with nothing broken: doubled until it is too much, then halved in
between, then again and again at both ends until they are settled. The answer
is an interval. Where the load generator did not keep up, its own limit is not
taken for the system's. Every probe is a run directory of its own.

It takes ten to twenty minutes. Interrupted, it tells what is known. Exit codes: 0 every
question has its answer, 3 one has none, 130 interrupted.

--at-least is a gate for CI: 1 if the interval of any question that is asked lies
below the rate, 3 if one is undecided about it. The search then starts there, and
with --to a little above it ends there. --only backlog asks of the processor alone.

With --schema, and without SCENARIO, print the JSON Schema of capacity.json.`,
		Example: `  ackproof capacity baseline
  ackproof capacity my.yaml --expect 'response_time.p99 < 50ms'
  ackproof capacity baseline --only backlog --set processor.concurrency=2
  ackproof capacity baseline --spike 5000 --hold 30s --precision 5%
  ackproof capacity baseline --only backlog --at-least 500/s --to 600/s
  ackproof capacity --schema > capacity.schema.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.schema {
				return arguments(cobra.NoArgs)(cmd, args)
			}
			return arguments(cobra.ExactArgs(1))(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.schema {
				_, err := w.stdout.Write(reports.CapacitySchema)
				return err
			}
			if !cmd.Flags().Changed("seed") {
				f.runs.seed = clock.Entropy() >> 12 // 52 bits: exact in every JSON reader
			}
			if cmd.Flags().Changed("at-least") && f.atLeast == 0 {
				return misuse{errors.New("--at-least 0/s: want a rate above 0, such as 500/s")}
			}
			var err error
			*code, err = f.run(cmd.Context(), w, args[0])
			return err
		},
	}
	f.add(cmd)
	return cmd
}

func (f *capacityFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&f.expect, "expect", nil, "what the API must meet, such as 'response_time.p99 < 50ms'; may be repeated\n(default: the scenario's own on response time, else "+capacity.DefaultExpect+")")
	fl.TextVar(&f.acknowledged, "acknowledged", f.acknowledged, "share of the requests that must be acknowledged")
	fl.StringVar(&f.only, "only", "", "response, backlog or spike: one question alone (spike asks for backlog, too)")
	fl.TextVar(&f.atLeast, "at-least", f.atLeast, "exit code 1 if it does not take this rate, such as 500/s (default: no gate)")
	fl.TextVar(&f.from, "from", f.from, "the first rate (default: that of --at-least, or the highest of the scenario)")
	fl.TextVar(&f.to, "to", f.to, "the highest rate that is tried (default: no limit)")
	fl.DurationVar(&f.settle, "settle", 3*time.Second, "of each probe, before it is looked at")
	fl.DurationVar(&f.hold, "hold", 10*time.Second, "of each probe, looked at")
	fl.TextVar(&f.precision, "precision", f.precision, "how far apart the ends of an interval may be")
	fl.IntVar(&f.repeats, "repeats", capacity.Defaults.Repeats, "probes in agreement that settle an end")
	fl.IntVar(&f.spike, "spike", 0, "size of the spike, in requests (default: five seconds of the rate that is sustained)")
	fl.IntVar(&f.trials, "spike-trials", 3, "how often the spike is fired")
	fl.StringVar(&f.runs.architecture, "architecture", "", "streams, sync or fire-and-forget (default: the scenario's own)")
	fl.StringVar(&f.runs.processor, "processor", "", "a Lambda binary, a zip as deployed, or a command such as 'node index.mjs', instead of the built-in StreamProcessor")
	fl.StringVar(&f.runs.dynamodb.URL, "dynamodb", "", "URL of a DynamoDB with Streams to use instead of the embedded one")
	fl.BoolVar(&f.runs.dynamodb.Yes, "yes", false, "make tables at, and fire at, a host that is not this one")
	fl.StringArrayVar(&f.runs.env, "env", nil, "K=V for the processor; may be repeated")
	fl.StringArrayVar(&f.runs.set, "set", nil, "path=value: override one value of the scenario; may be repeated")
	fl.StringVar(&f.runs.out, "out", "runs", "folder for the search's folder, which holds a run directory for each probe")
	fl.Uint64Var(&f.runs.seed, "seed", 0, "replays the same requests (default: a new one)")
	fl.BoolVar(&f.runs.json, "json", false, "print capacity.json, and nothing else, to standard output")
	fl.BoolVar(&f.quiet, "quiet", false, "no progress")
	fl.BoolVar(&f.schema, "schema", false, "print the JSON Schema of capacity.json")
}

// check loads the scenario and says all that is wrong with the call.
func (f *capacityFlags) check(name string) (*scenarios.Scenario, *capacity.Settings, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	f.runs.target, f.runs.trials = "local", 1
	if f.only != "" && !slices.Contains([]string{askResponse, askBacklog, askSpike}, f.only) {
		bad("--only %s: want %s, %s or %s", f.only, askResponse, askBacklog, askSpike)
	}
	if f.runs.architecture == "all" {
		bad("--architecture all: one at a time; a search takes minutes")
		f.runs.architecture = ""
	}
	if f.hold < 3*time.Second {
		bad("--hold %v: want 3s at least, since the backlog is looked at once a second", f.hold)
	}
	if f.settle <= 0 {
		bad("--settle %v: want a duration above 0, such as 3s", f.settle)
	}
	if f.repeats < 1 || f.repeats > 20 {
		bad("--repeats %d: want 1 to 20; 5 and more make a wrong end rare", f.repeats)
	}
	if f.precision < 1 || f.precision > 100 {
		bad("--precision %v: want 1%% to 100%%", f.precision)
	}
	if f.acknowledged <= 0 || f.acknowledged > 100 {
		bad("--acknowledged %v: want more than 0%% and at most 100%%", f.acknowledged)
	}
	if f.spike < 0 || f.trials < 0 {
		bad("--spike %d, --spike-trials %d: want no number below 0", f.spike, f.trials)
	}
	if f.to > 0 && f.to < f.from {
		bad("--to %v is below --from %v", f.to, f.from)
	}
	settings := &capacity.Settings{
		Acknowledged: float64(f.acknowledged) / 100, Settle: f.settle, Hold: f.hold, Spike: float64(f.spike), SpikeTrials: f.trials, AtLeast: float64(f.atLeast),
		Search: capacity.Options{Start: float64(f.from), Highest: float64(f.to), Precision: float64(f.precision) / 100, Repeats: f.repeats},
	}
	for _, text := range f.expect {
		e, err := scenarios.ParseExpectation(text)
		errs = append(errs, err)
		if err == nil && e.Place() != "" {
			bad("--expect %q: leave %q out; it is looked at in the hold of each probe", text, e.Place())
		}
		settings.Expect = append(settings.Expect, e)
	}
	f.runs.set = append([]string{"overload=true"}, f.runs.set...) // its own load only says where to begin
	_, all, err := f.runs.scenarios(name)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, nil, misuse{err}
	}
	scenario := all[0].Scenario
	if err := settings.Complete(scenario); err != nil {
		return nil, nil, misuse{err}
	}
	if _, err := settings.Probe(scenario, settings.Search.Start); err != nil {
		return nil, nil, misuse{err}
	}
	return scenario, settings, nil
}

// search is one call of capacity.
type capacitySearch struct {
	*capacityFlags
	w        world
	scenario *scenarios.Scenario
	settings *capacity.Settings
	dir      string
	begun    time.Time
	out      bench.Capacity
}

// run makes the search, and tells what it found after each probe: what is known when
// it is killed is on disk.
func (f *capacityFlags) run(ctx context.Context, w world, name string) (int, error) {
	scenario, settings, err := f.check(name)
	if err != nil {
		return 0, err
	}
	s := capacitySearch{capacityFlags: f, w: w, scenario: scenario, settings: settings, begun: w.clock.Now()}
	s.dir = filepath.Join(f.runs.out, run.DirName(s.begun, scenario.Name, "capacity-"+string(bench.NewRunID(clock.Entropy()))))
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return 0, misuse{fmt.Errorf("make the folder of the search: %w; choose another with --out", err)}
	}
	defer os.Remove(s.dir) // only if it is empty: nothing was run
	s.runs.untold, s.runs.quiet = true, true
	s.out = bench.Capacity{
		Schema: bench.CapacitySchema, Scenario: scenario.Name, Target: "local", Architecture: scenario.Architecture, Seed: f.runs.seed,
		Started: s.begun.UTC().Format(time.RFC3339), Version: version(), Host: bench.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()},
		Settings: settings.Tell(), Probes: []bench.CapacityProbe{}, Notes: []string{},
	}
	if len(scenario.Faults) > 0 {
		s.out.Notes = append(s.out.Notes, "nothing was broken: the faults of the scenario were left out")
	}
	err = s.probe(ctx)
	if err == nil {
		err = s.spikes(ctx)
	}
	s.out.Interrupted = ctx.Err() != nil
	if len(s.out.Probes) == 0 {
		if ctx.Err() != nil {
			return 0, errInterrupted
		}
		return 0, err
	}
	os.Remove(filepath.Join(s.dir, "latest"))
	run.Link(f.runs.out, s.dir)
	err = errors.Join(err, s.write(), s.tell())
	return exitOfCapacity(&s.out, s.answered()), err
}

// exitOfCapacity is that of a search; what it has proven stands when it is interrupted.
func exitOfCapacity(c *bench.Capacity, answered bool) int {
	switch gate := c.AtLeast; {
	case gate != nil && gate.Met != nil && !*gate.Met:
		return exitFail
	case c.Interrupted:
		return exitInterrupted
	case gate != nil && gate.Met == nil, !answered:
		return exitUnknown
	}
	return exitPass
}

// asks reports whether a question is asked.
func (s *capacitySearch) asks(question string) bool {
	switch {
	case question != askResponse && s.scenario.Architecture == bench.Sync:
		return false // there is no backlog
	case s.only == askSpike:
		return question != askResponse
	}
	return s.only == "" || s.only == question
}

// next says at which rate to probe next, and for which question: the backlog's first,
// whose probes tell of the API, too.
func (s *capacitySearch) next() (rate float64, question string, left int) {
	for _, q := range []struct {
		name string
		of   func(*bench.CapacityProbe) bench.Sight
	}{{askBacklog, capacity.OfBacklog}, {askResponse, capacity.OfResponse}} {
		if !s.asks(q.name) {
			continue
		}
		seen := capacity.Sightings(s.out.Probes, q.of)
		if next, done := capacity.Next(s.settings.Search, seen); !done && question == "" {
			rate, question = next, q.name
		}
		left += capacity.Left(s.settings.Search, seen)
	}
	return rate, question, left
}

// maxBlind is how many probes in a row may show nothing before the search is given up.
const maxBlind = 5

func (s *capacitySearch) probe(ctx context.Context) error {
	blind := 0
	for ctx.Err() == nil {
		rate, question, left := s.next()
		if question == "" {
			return nil
		}
		s.progress("probe %d of about %d, at %s%s", len(s.out.Probes)+1, len(s.out.Probes)+left, scenarios.Rate(rate), s.timeLeft(left))
		scenario, err := s.settings.Probe(s.scenario, rate)
		if err != nil {
			return err // a rate that the scenario cannot have
		}
		d, err := s.runs.one(ctx, s.w, scenario, s.runs.seed+uint64(len(s.out.Probes)), s.dir)
		if err != nil || ctx.Err() != nil {
			return err
		}
		p := s.settings.See(d.result, rate)
		p.Dir, p.For = filepath.Base(d.dir), question
		s.out.Probes = append(s.out.Probes, p)
		s.progress("  %s", reports.ProbeLine(&p))
		if blind++; p.Response != bench.SightNone || p.Backlog != bench.SightNone {
			blind = 0
		}
		if blind == maxBlind {
			return fmt.Errorf("%d probes in a row showed nothing: %s; look at %s", blind, p.Why, display(d.dir))
		}
		if err := s.write(); err != nil {
			return err
		}
	}
	return nil
}

// spikes fires the spike.
func (s *capacitySearch) spikes(ctx context.Context) error {
	if !s.asks(askSpike) || s.trials == 0 || ctx.Err() != nil {
		return nil
	}
	response, backlog := s.settings.Answers(s.out.Probes)
	spike, drains, ok := s.settings.PlanSpike(response, backlog)
	if !ok {
		s.out.Notes = append(s.out.Notes, "no spike was fired: what the system sustains is not known well enough")
		return nil
	}
	scenario, err := s.settings.Load(s.scenario, &spike, drains)
	if err != nil {
		return err
	}
	s.out.Spike = &spike
	for i := range s.trials {
		s.progress("spike %d of %d, %.0f requests onto %s", i+1, s.trials, spike.Size, scenarios.Rate(spike.Base))
		d, err := s.runs.one(ctx, s.w, scenario, s.runs.seed+uint64(i), s.dir)
		if err != nil || ctx.Err() != nil {
			return err
		}
		trial := capacity.SeeSpike(d.result)
		trial.Dir = filepath.Base(d.dir)
		spike.Trials = append(spike.Trials, trial)
		capacity.Settle(&spike)
		s.progress("  %s", reports.SpikeLine(&trial))
	}
	return nil
}

// timeLeft estimates by what the probes so far have taken.
func (s *capacitySearch) timeLeft(probes int) string {
	if len(s.out.Probes) == 0 {
		return ""
	}
	each := s.w.clock.Now().Sub(s.begun) / time.Duration(len(s.out.Probes))
	left := each * time.Duration(probes)
	if s.asks(askSpike) {
		left += 2 * each * time.Duration(s.trials)
	}
	return fmt.Sprintf(", about %s left", left.Round(10*time.Second))
}

func (s *capacitySearch) progress(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.w.stderr, "ackproof: "+format+"\n", args...)
	}
}

// write writes capacity.json and the page as far as things are known.
func (s *capacitySearch) write() error {
	s.settings.Conclude(&s.out, s.asks(askResponse), s.asks(askBacklog))
	return reports.WriteCapacity(s.dir, &s.out)
}

func (s *capacitySearch) tell() error {
	if s.runs.json {
		return printJSON(s.w, &s.out)
	}
	return reports.CapacityTerminal(s.w.stdout, &s.out, s.runs.style(s.w, s.dir))
}

// answered reports whether every question that was asked has an answer.
func (s *capacitySearch) answered() bool {
	for _, a := range []struct {
		asked  bool
		answer bench.CapacityAnswer
	}{{s.asks(askResponse), s.out.Response}, {s.asks(askBacklog), s.out.Backlog}} {
		if a.asked && (a.answer.Status == bench.CapacityOpen || a.answer.Status == bench.CapacityNone) {
			return false
		}
	}
	return !s.asks(askSpike) || s.trials == 0 || s.out.Spike != nil && s.out.Spike.DrainMs != nil
}
