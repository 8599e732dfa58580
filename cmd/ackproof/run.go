package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/cost"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
	"github.com/ackproof/ackproof/scenarios"
)

// runFlags are the flags of `ackproof run`.
type runFlags struct {
	target, architecture, processor, out, rate string
	dynamodb                                   local.Outside
	account                                    accountFlags
	duration                                   time.Duration
	seed                                       uint64
	trials                                     int
	set, vary, env                             []string
	priceFile                                  string
	prices                                     []byte // that it holds; nil: there is none
	agents                                     agentFlags
	hold, data, json, quiet, forGiven, publish bool
	stackGiven, deployed                       bool              // --stack is given; the run goes to a stack of ackproof's
	stackArchitecture                          string            // of that
	found                                      *bench.Deployed   // how the system on AWS is set; nil: nobody has asked
	theirs                                     *onStack          // that the scenario runs on; nil: none of the user's own
	onAWS                                      *aws.LeverOptions // how the stack is broken; nil: it is none on AWS
	publishTo                                  *aws.Account      // whose CloudWatch is given the figures; nil: nobody's
	cloud                                      *aws.Account      // of the exports, dead letters and alarm that scenarios name; nil: none does
	untold                                     bool              // no reports are written: 'ackproof report' does when they are wanted
}

func runCommand(w world, code *int) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [SCENARIO]",
		Short: "Run one experiment and account for every request",
		Long: `Run one experiment: load the API, break its processor, account for every request.

SCENARIO is the name of a built-in scenario or a file; without one the built-in
'crash' runs. Everything that is learnt goes to a run directory under --out.

Several runs of one call (--vary, --architecture all, --trials) share a folder with
a comparison. Their trials alternate, A B B A, and each trial gives all sides the same
requests. It takes six trials a side to tell a difference from noise. The exit code
is that of the worst verdict: with --vary of all runs; with --architecture all of
those of the scenario's own architecture, since the others are controls.`,
		Example: `  ackproof run                                  the built-in crash, about half a minute
  ackproof run lossy                            a system that loses data, and which
  ackproof run --architecture all outage        the article's claim in one table
  ackproof run crash --rate 200/s --for 20s     the same faults under another load
  ackproof run my.yaml --set mapping.batchSize=10 --processor ./bootstrap
  ackproof run my.yaml --vary mapping.batchSize=10,100 --trials 6    which is better?
  ackproof run --dynamodb http://127.0.0.1:8000 --set load.scale=0.1
  ackproof run --target http ours.yaml          your own system, which the file names`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := scenarios.Default
			if len(args) == 1 {
				name = args[0]
			}
			if err := f.agents.check(w, shellWord(name), f.agents.others(cmd.Flags())); err != nil {
				return misuse{err}
			}
			switch {
			case cmd.Flags().Changed("seed"):
			case f.agents.share.Of > 0:
				f.seed = f.agents.seed()
			default:
				f.seed = clock.Entropy() >> 12 // 52 bits: exact in every JSON reader
			}
			f.forGiven, f.stackGiven = cmd.Flags().Changed("for"), cmd.Flags().Changed("stack")
			var err error
			*code, err = f.run(cmd.Context(), w, name)
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.target, "target", "", "the system under test: local; http, one of your own that the scenario names under\ntarget; or aws, a stack of 'ackproof deploy' (default: what the scenario says)")
	f.account.add(cmd)
	fl.StringVar(&f.architecture, "architecture", "", "streams, sync, fire-and-forget, or all (default: the scenario's own)")
	fl.StringVar(&f.dynamodb.URL, "dynamodb", "", "URL of a DynamoDB with Streams to use instead of the embedded one; the run's tables\nare made there and deleted at its end, unless ackproof itself is killed")
	fl.BoolVar(&f.dynamodb.Yes, "yes", false, "make tables at, and fire at, a host that is not this one, unasked")
	fl.StringVar(&f.processor, "processor", "", "a Lambda binary, a zip as deployed, or a command such as 'node index.mjs', instead of the built-in StreamProcessor")
	fl.StringArrayVar(&f.env, "env", nil, "K=V for the processor; may be repeated")
	fl.StringVar(&f.rate, "rate", "", "replaces the scenario's load, with --for: 500/s")
	fl.DurationVar(&f.duration, "for", 0, "replaces the scenario's load, with --rate: 10s")
	f.agents.add(cmd)
	fl.StringVar(&f.out, "out", "runs", "folder for run directories")
	fl.StringVar(&f.priceFile, "prices", "", "a price file to tell the cost by, instead of the list in docs/aws.md; the run keeps it as prices.yaml")
	fl.BoolVar(&f.data, "data", false, "the embedded DynamoDB keeps its data, in data/ of the run directory, and survives kill -9 of its process")
	fl.BoolVar(&f.hold, "hold", false, "keep the stack up after the verdict, until interrupted")
	fl.Uint64Var(&f.seed, "seed", 0, "replays the same plan and the same draws (default: a new one)")
	fl.IntVar(&f.trials, "trials", 1, "how often to run each side, alternating where there are several")
	fl.StringArrayVar(&f.set, "set", nil, "path=value: override one value of the scenario; may be repeated;\nload.scale=0.1 makes every rate of its load a tenth")
	fl.BoolVar(&f.publish, "publish", false, "put the run's figures as custom metrics to CloudWatch, namespace ackproof (see\n'ackproof cloudwatch')")
	fl.StringArrayVar(&f.vary, "vary", nil, "path=value1,value2: run it with each value and compare; repeated: with every\ncombination; the first one is what the others are compared with")
	fl.BoolVar(&f.json, "json", false, "print the result as JSON, and nothing else, to standard output")
	fl.BoolVar(&f.quiet, "quiet", false, "no progress")
	return cmd
}

// run carries out all runs of one call. The exit code is the worst verdict among
// those of the scenario's own architecture; the others are controls.
func (f *runFlags) run(ctx context.Context, w world, name string) (int, error) {
	err := f.findStack(ctx, w, name)
	if err != nil {
		return 0, err
	}
	if f.publish { // who may not is told so before the first request
		if f.publishTo, err = f.account.openFor(ctx, w, cloudWatchName); err != nil {
			return 0, err
		}
	}
	own, all, err := f.scenarios(name)
	if err == nil {
		err = f.openCloud(ctx, w, all)
	}
	if err == nil {
		err = f.confirm(w, all)
	}
	if err != nil {
		return 0, misuse{err}
	}
	if len(all) == 1 {
		r, err := f.one(ctx, w, all[0].Scenario, f.seed, f.out)
		if err != nil {
			return 0, err
		}
		if f.json {
			err = printResult(w, r.result)
		} else {
			err = reports.Terminal(w.stdout, r.result, f.style(w, r.dir))
		}
		f.agents.sayHow(w)
		return r.code, errors.Join(err, r.reported, stepSummary(w, r.result), r.held(ctx, w, f))
	}
	return f.group(ctx, w, own, all)
}

// scenarios loads the scenario and gives a configuration for each run that is due,
// those of the first trial first, and the scenario's own architecture; that is empty
// where no run is a control. All that is wrong with the call is said at once.
func (f *runFlags) scenarios(name string) (own string, all []configuration, err error) {
	rate, set, errs := f.checkFlags()
	architectures := []string{f.architecture}
	if f.architecture == "all" {
		architectures = bench.Architectures()
	}
	combinations, err := f.combinations()
	runs := len(architectures) * len(combinations) * f.trials
	if f.hold && runs > 1 {
		errs = append(errs, errors.New("--hold keeps one stack up: it goes with one run"))
	}
	loaded, wrong := f.configurations(name, set, combinations)
	if err := errors.Join(append(errs, err, f.agents.alone(runs), f.dynamodb.Check(), wrong)...); err != nil {
		return "", nil, err
	}
	var sides []configuration
	var found complaints
	for _, c := range loaded {
		for _, a := range architectures {
			s, err := f.replace(c.Scenario, a, rate)
			found.add(c.varied, nil, err)
			sides = append(sides, configuration{s, c.varied})
		}
	}
	if err := found.errors(len(sides)); err != nil {
		return "", nil, err
	}
	for trial := range f.trials {
		all = append(all, turn(sides, trial)...)
	}
	switch {
	case len(combinations) > 1:
		return "", all, distinct(sides)
	case len(architectures) == 1:
		return sides[0].Architecture, all, nil // asked for alone: it is no control
	}
	return loaded[0].Architecture, all, nil
}

// checkFlags says what is wrong with the flags by themselves, and gives the rate that
// replaces the load and what is set of the scenario.
func (f *runFlags) checkFlags() (rate scenarios.Rate, set []string, errs []error) {
	errs = append(errs, f.readPrices())
	if f.trials < 1 {
		errs = append(errs, fmt.Errorf("--trials %d: want at least 1", f.trials))
	}
	switch {
	case f.duration < 0 || f.forGiven && f.duration == 0:
		errs = append(errs, fmt.Errorf("--for %v: want a duration above 0, such as 10s", f.duration))
	case (f.rate == "") != (f.duration == 0):
		errs = append(errs, errors.New("--rate and --for replace the scenario's load together: give both"))
	}
	if f.rate != "" {
		if err := rate.UnmarshalText([]byte(f.rate)); err != nil {
			errs = append(errs, fmt.Errorf("--rate: %w", err))
		}
	}
	if f.architecture != "" && f.architecture != "all" && !slices.Contains(bench.Architectures(), f.architecture) {
		errs = append(errs, fmt.Errorf("--architecture %s: want streams, sync, fire-and-forget or all", f.architecture))
	}
	given, wrong := envSettings(f.env)
	set, errs = slices.Concat(f.set, given), append(errs, wrong...)
	if f.rate != "" && slices.ContainsFunc(f.set, func(a string) bool { return strings.HasPrefix(a, "load.scale=") }) {
		errs = append(errs, errors.New("--set load.scale scales the scenario's load, which --rate and --for replace: give one of them"))
	}
	return rate, set, errs
}

// replace gives a scenario with what flags replace of it.
func (f *runFlags) replace(s *scenarios.Scenario, architecture string, rate scenarios.Rate) (_ *scenarios.Scenario, err error) {
	if architecture != "" {
		s, err = s.WithArchitecture(architecture)
	}
	if err == nil && f.theirs != nil {
		s, err = s.WithOutputs(f.theirs.name, f.theirs.outputs)
	}
	if err == nil && f.rate != "" {
		s, err = s.WithLoad(rate, f.duration)
	}
	if err == nil && f.dynamodb.URL != "" {
		s, err = s.WithOneShard()
	}
	return s, err
}

// errInterrupted ends a run that was interrupted before its first request: there
// is nothing to judge.
var errInterrupted = errors.New("interrupted before the first request; nothing was kept")

// done is one finished run.
type done struct {
	result    *bench.Result
	series    *bench.Series
	dir       string
	code      int
	target    bench.Target
	endpoints bench.Endpoints
	path      string // of the API
	reported  error  // what went wrong when the reports were written
}

// one carries out one run, from its directory to its reports.
func (f *runFlags) one(ctx context.Context, w world, s *scenarios.Scenario, seed uint64, out string) (done, error) {
	target := f.newTarget(w, s)
	live := reports.NewLive(w.stderr, reports.Options{TTY: w.tty, Color: w.color, Width: w.width, WidthNow: w.widthNow})
	options := f.options(w, s, target, seed, out)
	options.Progress = f.progress(live)
	r, err := run.Prepare(options)
	if err != nil {
		return done{}, misuse{err}
	}
	if !f.quiet {
		fmt.Fprintf(w.stderr, "ackproof: %s, %s on the %s target, seed %d\nackproof: %s\n", s.Name, s.Architecture, target.Name(), seed, display(r.Dir()))
	}
	heard := context.AfterFunc(ctx, func() {
		live.Say("ackproof: interrupted: undoing the faults, reading and judging what is known; once more ends it at once")
	})
	endpoints, doErr := r.Do(ctx)
	heard()
	live.Close()
	if !f.hold || doErr != nil || ctx.Err() != nil {
		doErr = errors.Join(doErr, target.Stop())
	}
	var early run.NotStarted
	if errors.As(doErr, &early) {
		target.Stop()
		r.Discard()
		if ctx.Err() != nil {
			return done{}, errInterrupted
		}
		return done{}, misuse{early}
	}
	result, series, err := run.Judge(r.Dir(), run.JudgeOptions{})
	if err != nil {
		return done{}, errors.Join(doErr, err)
	}
	d := done{result: result, series: series, dir: r.Dir(), code: exitOf(result.Verdict), target: target, endpoints: endpoints, path: s.Request.Path}
	if !f.untold {
		d.reported = reports.Write(r.Dir(), result, series)
	}
	if f.publishTo != nil {
		d.reported = errors.Join(d.reported, publish(context.WithoutCancel(ctx), w, f.publishTo, result))
	}
	switch {
	case ctx.Err() != nil && result.Verdict != bench.Fail:
		d.code = exitInterrupted
	case doErr != nil && ctx.Err() == nil && result.Verdict != bench.Fail:
		d.code = exitHarness
		fmt.Fprintf(w.stderr, "ackproof: the harness failed: %v\n", doErr)
	}
	return d, nil
}

// options are those of one run, without its progress.
func (f *runFlags) options(w world, s *scenarios.Scenario, target bench.Target, seed uint64, out string) run.Options {
	o := run.Options{
		Scenario: s, Target: target, Processor: f.processor, Seed: seed, Out: out, Data: f.data,
		Share: f.agents.share, ID: f.agents.run, StartAt: f.agents.start,
		Version: version(), Prices: f.prices, Clock: w.clock, Breakages: w.breakages,
	}
	o.Deployed = f.found
	if f.cloud != nil {
		o.Cloud = f.cloud
	}
	return o
}

// progress renews the live view, unless nobody wants it.
func (f *runFlags) progress(live *reports.Live) func(bench.Progress) {
	if f.quiet {
		return nil
	}
	return live.Update
}

// held keeps the stack of a run up until the interrupt, where that is asked for.
func (d done) held(ctx context.Context, w world, f *runFlags) error {
	if !f.hold || ctx.Err() != nil {
		return nil
	}
	fmt.Fprintf(w.stderr, "ackproof: the stack stays up until interrupted (ctrl-C)\n")
	if f.json {
		w.stdout = w.stderr // the result stands alone there
	}
	d.endpoints.API += d.path
	printStack(w, d.endpoints, false)
	<-ctx.Done()
	return d.target.Stop()
}

func (f *runFlags) style(w world, dir string) reports.Options {
	return reports.Options{Color: w.color, Width: w.width, Dir: display(dir)}
}

// printResult prints what result.json holds, to the byte.
func printResult(w world, r *bench.Result) error {
	b, err := run.EncodeResult(r)
	if err != nil {
		return err
	}
	_, err = w.stdout.Write(b)
	return err
}

func printJSON(w world, v any) error {
	e := json.NewEncoder(w.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// display shortens a path for people: relative where it lies below.
func display(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, abs); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return abs
}

// readPrices reads the price file, where there is one.
func (f *runFlags) readPrices() (err error) {
	if f.priceFile == "" {
		return nil
	}
	if f.prices, err = os.ReadFile(f.priceFile); err != nil {
		return fmt.Errorf("--prices: %w", err)
	}
	if _, err := cost.ParsePrices(f.prices); err != nil {
		return fmt.Errorf("--prices %s: %w", f.priceFile, err)
	}
	return nil
}
