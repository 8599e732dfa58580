package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/suite"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

// suiteFlags are the flags of `ackproof suite`.
type suiteFlags struct {
	runs     runFlags
	skip     []string
	only     []string
	set, env []string

	name     string // of a scenario that names a system of the user's own; empty: the local stack
	breaks   []string
	system   *scenarios.Scenario
	faultsOf map[string][]faults.Fault // by probe: what breaks the user's own system so
}

func suiteCommand(w world, code *int) *cobra.Command {
	var f suiteFlags
	cmd := &cobra.Command{
		Use:   "suite [SCENARIO]",
		Short: "Break one processor in a dozen ways and name its bug",
		Long: `Break one processor in a dozen ways, one short run each, and tell from what became
of the requests which bug it has: how sure that is, what speaks for it, and what
to change. Where two bugs look the same from outside, both are named; where the
evidence does not decide, that is said.

A SCENARIO that names a system of your own (target) has that one broken, under the
scenario's load, by its faults: commands of yours (exec.run), levers on AWS, strikes
between client and API. --probe says which fault makes which probe; the others are
unknown, and what they would tell apart stays open.

On the local stack the mapping has the settings that ackproof chooses, or that --set
gives: they are told as settings, and not inferred. Its probes run three at a time on
stacks of their own (on --dynamodb one after the other): under a minute. Exit codes:
0 nothing was seen, 1 something is wrong, 3 a probe could not decide.`,
		Example: `  ackproof suite                                           the built-in processor, which is sound
  ackproof suite --processor ./bootstrap                   your own
  ackproof suite --processor 'node index.mjs' --skip poison
  ackproof suite --env ACKPROOF_DEFECT=report-last         a planted defect, to see it named
  ackproof suite --set mapping.onFailure=none --set mapping.bisectBatchOnFunctionError=false
  ackproof suite ours.yaml --probe deny=block-results --probe outage=pause-worker`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.name = strings.Join(args, "")
			f.runs.stackGiven = cmd.Flags().Changed("stack")
			if !cmd.Flags().Changed("seed") {
				f.runs.seed = clock.Entropy() >> 12 // 52 bits: exact in every JSON reader
			}
			var err error
			*code, err = f.run(cmd.Context(), w)
			return err
		},
	}
	f.runs.account.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.runs.target, "target", "", "the system under test: local; http or aws, with a SCENARIO (default: what that says, or local)")
	fl.StringArrayVar(&f.breaks, "probe", nil, "PROBE=FAULT: the fault of the scenario that makes a probe, by its kind, its commands or\nits text; may be repeated")
	fl.StringVar(&f.runs.processor, "processor", "", "a Lambda binary, a zip as deployed, or a command such as 'node index.mjs', instead of the built-in StreamProcessor")
	fl.StringVar(&f.runs.dynamodb.URL, "dynamodb", "", "URL of a DynamoDB with Streams to use instead of the embedded one")
	fl.BoolVar(&f.runs.dynamodb.Yes, "yes", false, "make tables at, and fire at, a host that is not this one")
	fl.StringArrayVar(&f.env, "env", nil, "K=V for the processor; may be repeated")
	fl.StringArrayVar(&f.set, "set", nil, "path=value: on the local stack of mapping, processor, gateway or table; may be repeated")
	fl.StringSliceVar(&f.only, "only", nil, "probes to run, such as control,deny (default: all)")
	fl.StringSliceVar(&f.skip, "skip", nil, "probes to leave out: poison, where the processor refuses no record")
	fl.StringVar(&f.runs.out, "out", "runs", "folder for the suite's folder, which holds a run directory for each probe")
	fl.Uint64Var(&f.runs.seed, "seed", 0, "replays the same plans and draws (default: a new one)")
	fl.BoolVar(&f.runs.json, "json", false, "print the report as JSON, and nothing else, to standard output")
	fl.BoolVar(&f.runs.quiet, "quiet", false, "no progress")
	return cmd
}

// check says all that is wrong with the call, and gives what is to be done.
func (f *suiteFlags) check() (probes []suite.Probe, set []string, err error) {
	var errs []error
	misnamed := false
	for _, name := range slices.Concat(f.only, f.skip) {
		if _, ok := suite.ProbeNamed(name); !ok {
			misnamed = true
			errs = append(errs, fmt.Errorf("no probe is called %q; known are %s", name, strings.Join(probeNames(suite.Probes()), ", ")))
		}
	}
	for _, p := range suite.Probes() {
		if (len(f.only) == 0 || slices.Contains(f.only, p.Name)) && !slices.Contains(f.skip, p.Name) {
			probes = append(probes, p)
		}
	}
	if len(probes) == 0 && !misnamed {
		errs = append(errs, errors.New("--only and --skip leave no probe: give at least one"))
	}
	for _, kv := range f.set {
		root, _, _ := strings.Cut(kv, ".")
		if f.name == "" && !slices.Contains([]string{"mapping", "processor", "gateway", "table"}, root) {
			errs = append(errs, fmt.Errorf("--set %s: only mapping, processor, gateway and table can be set; the rest is the probes' own", kv))
			continue
		}
		set = append(set, kv)
	}
	given, wrong := envSettings(f.env)
	set, errs = append(set, given...), append(errs, wrong...)
	if err := errors.Join(append(errs, f.runs.dynamodb.Check(), f.checkSystem(probes, set))...); err != nil {
		return nil, nil, misuse{err}
	}
	return probes, set, nil
}

func probeNames(probes []suite.Probe) (names []string) {
	for _, p := range probes {
		names = append(names, p.Name)
	}
	return names
}

// scenario is that of a probe; nil: it cannot be played. On a system of the user's own
// the probe is told what it is made of there.
func (f *suiteFlags) scenario(p *suite.Probe, set []string) (*scenarios.Scenario, error) {
	if f.system != nil {
		return f.onSystem(p)
	}
	s, err := scenarios.Load(suite.Base, p.Overrides(set...))
	if err == nil && f.runs.dynamodb.URL != "" {
		s, err = s.WithOneShard()
	}
	return s, err
}

// run carries out the probes and reports.
func (f *suiteFlags) run(ctx context.Context, w world) (int, error) {
	if f.name != "" {
		f.runs.set = f.set
		if err := f.runs.findStack(ctx, w, f.name); err != nil {
			return 0, err
		}
		f.set = f.runs.set
	}
	probes, set, err := f.check()
	if err != nil {
		return 0, err
	}
	plain := suite.Probes()[0]
	control, err := f.scenario(&plain, set)
	if err == nil {
		err = f.runs.openCloud(ctx, w, []configuration{{Scenario: control}})
	}
	if err == nil {
		err = f.confirm(w, probes, set)
	}
	if err != nil {
		return 0, misuse{err}
	}
	dir := filepath.Join(f.runs.out, run.DirName(w.clock.Now(), "suite", string(bench.NewRunID(clock.Entropy()))))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, misuse{fmt.Errorf("make the folder of the suite: %w; choose another with --out", err)}
	}
	defer os.Remove(dir) // only if it is empty: nothing was run
	report := suite.Report{Processor: cmp.Or(f.runs.processor, f.name), Target: f.runs.onTarget(control), Seed: f.runs.seed, Version: version(), Dir: display(dir)}
	report.Settings, err = f.settings(control)
	if err != nil {
		return 0, err
	}
	report.Observations, err = f.probes(ctx, w, probes, set, dir)
	switch {
	case err != nil:
		return 0, err
	case ctx.Err() != nil:
		return exitInterrupted, nil
	}
	known := suite.MappingUnknown
	if f.system == nil {
		if known, err = knownMapping(control); err != nil {
			return 0, err
		}
	}
	report.Diagnosis = suite.Diagnose(report.Observations, known)
	report.Judge()
	os.Remove(filepath.Join(dir, "latest"))
	run.Link(f.runs.out, dir)
	return exitOf(report.Verdict), f.tell(w, dir, &report)
}

// probesAtOnce is how many probes are played at the same time on a stack of their
// own each: one waits more than it computes.
const probesAtOnce = 3

// probes carries out the probes. One that lacks what it needs is unknown, the
// others are carried out all the same; where all have failed, so has the call.
func (f *suiteFlags) probes(ctx context.Context, w world, probes []suite.Probe, set []string, dir string) ([]suite.Observation, error) {
	atOnce := probesAtOnce
	if f.runs.dynamodb.URL != "" || f.system != nil {
		atOnce = 1 // they share it
	}
	observations, errs := make([]suite.Observation, len(probes)), make([]error, len(probes))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, p := range probes {
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			observations[i], errs[i] = f.probe(ctx, w, p, set, dir)
			if errs[i] != nil {
				observations[i] = suite.Observation{Probe: p.Name, Unknown: errs[i].Error(), Verdict: bench.VerdictUnknown}
			}
			return nil
		})
	}
	_ = group.Wait() // what failed is in errs
	if !slices.ContainsFunc(errs, func(err error) bool { return err == nil }) {
		return nil, errors.Join(errs...)
	}
	return observations, nil
}

// probe carries out one probe.
func (f *suiteFlags) probe(ctx context.Context, w world, p suite.Probe, set []string, dir string) (suite.Observation, error) {
	s, err := f.scenario(&p, set)
	if err != nil {
		return suite.Observation{}, misuse{err}
	}
	about := p.About
	if s == nil {
		about = "is not played: " + notBroken
	}
	if !f.runs.quiet {
		fmt.Fprintf(w.stderr, "ackproof: %s: %s\n", p.Name, about)
	}
	if s == nil {
		return suite.Observation{Probe: p.Name, Unknown: notBroken, Verdict: bench.VerdictUnknown}, nil
	}
	one := f.runs
	one.quiet, one.json = true, false
	d, err := one.one(ctx, w, s, f.runs.seed, dir)
	if err != nil {
		return suite.Observation{}, err
	}
	o := suite.Observe(p, d.result)
	o.Dir = display(d.dir)
	return o, d.reported
}

// tell writes suite.json, suite.md and suite.html, and prints the one that is asked for.
func (f *suiteFlags) tell(w world, dir string, report *suite.Report) error {
	var errs []error
	encoded, err := os.Create(filepath.Join(dir, "suite.json"))
	if err == nil {
		err = errors.Join(printJSON(world{stdout: encoded}, report), encoded.Close())
	}
	page, pageErr := report.HTML()
	errs = append(errs, err, pageErr, os.WriteFile(filepath.Join(dir, "suite.md"), report.Markdown(), 0o644))
	if pageErr == nil {
		errs = append(errs, os.WriteFile(filepath.Join(dir, "suite.html"), page, 0o644))
	}
	if f.runs.json {
		return errors.Join(append(errs, printJSON(w, report))...)
	}
	return errors.Join(append(errs, report.Terminal(w.stdout, suite.Style{Color: w.color, Width: w.width}))...)
}

// settings lists what the mapping is set to, and who has set it.
func (f *suiteFlags) settings(s *scenarios.Scenario) ([]suite.Setting, error) {
	all := []suite.Setting{}
	if f.system != nil {
		return all, nil // nobody has told
	}
	m := reflect.ValueOf(s.Mapping)
	for i := range m.NumField() {
		name := m.Type().Field(i).Tag.Get("yaml")
		name, _, _ = strings.Cut(name, ",")
		given := slices.ContainsFunc(f.set, func(kv string) bool { return strings.HasPrefix(kv, "mapping."+name+"=") })
		chosen := slices.ContainsFunc(suite.Settings, func(kv string) bool { return strings.HasPrefix(kv, "mapping."+name+"=") })
		if given || chosen {
			all = append(all, suite.Setting{Name: name, Value: fmt.Sprint(m.Field(i).Interface()), Given: given})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("internal error: the mapping of a suite has no settings")
	}
	return all, nil
}

// knownMapping finds the configuration whose mapping a scenario has. Only what
// ackproof chooses is compared: a batch size decides nothing.
func knownMapping(s *scenarios.Scenario) (suite.Known, error) {
	control := suite.Probes()[0]
	for _, c := range suite.Configurations() {
		if c.Part != suite.Sound && c.Part != suite.Mapping {
			continue
		}
		other, err := scenarios.Load(suite.Base, control.Overrides(c.Set...))
		if err != nil {
			return "", err
		}
		if reflect.DeepEqual(chosenOf(s), chosenOf(other)) {
			return suite.Known(c.Name), nil
		}
	}
	return suite.MappingOther, nil
}

// chosenOf gives the values of those settings of a mapping that [suite.Settings]
// names.
func chosenOf(s *scenarios.Scenario) map[string]any {
	values := map[string]any{}
	m := reflect.ValueOf(s.Mapping)
	for i := range m.NumField() {
		name, _, _ := strings.Cut(m.Type().Field(i).Tag.Get("yaml"), ",")
		if slices.ContainsFunc(suite.Settings, func(kv string) bool { return strings.HasPrefix(kv, "mapping."+name+"=") }) {
			values[name] = m.Field(i).Interface()
		}
	}
	return values
}
