package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
)

// group carries out several runs into one folder and compares them.
func (f *runFlags) group(ctx context.Context, w world, own string, all []configuration) (int, error) {
	if err := f.check(w, all[:len(all)/f.trials]); err != nil {
		return 0, misuse{err}
	}
	dir := filepath.Join(f.out, run.DirName(w.clock.Now(), all[0].Name, "group-"+string(bench.NewRunID(clock.Entropy()))))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, misuse{fmt.Errorf("make the folder of the runs: %w; choose another with --out", err)}
	}
	defer os.Remove(dir) // only if it is empty: nothing was run
	var runs []reports.Run
	var errs []error
	harness := false
	for i, c := range all {
		if !f.quiet {
			fmt.Fprintf(w.stderr, "ackproof: run %d of %d: %s\n", i+1, len(all), c.name())
		}
		// One seed for all: the sides of a trial get the same requests.
		r, err := f.one(ctx, w, c.Scenario, f.seed+uint64(i/(len(all)/f.trials)), dir)
		if err != nil && len(runs) == 0 {
			return 0, err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s with %s: %w", c.Name, c.name(), err))
			break
		}
		if !f.json {
			if c.varied != "" {
				fmt.Fprintf(w.stdout, "%s\n", c.varied)
			}
			reports.Terminal(w.stdout, r.result, f.style(w, r.dir))
			fmt.Fprintln(w.stdout)
		}
		runs = append(runs, reports.Run{Result: r.result, Series: r.series, Dir: filepath.Base(r.dir), Configuration: c.varied})
		errs, harness = append(errs, r.reported, stepSummary(w, r.result)), harness || r.code == exitHarness
		if ctx.Err() != nil {
			break
		}
	}
	os.Remove(filepath.Join(dir, "latest"))
	run.Link(f.out, dir)
	comparison := reports.Compare(runs, own)
	switch {
	case comparison.Exit == exitFail:
	case ctx.Err() != nil:
		comparison.Exit = exitInterrupted
	case harness:
		comparison.Exit = exitHarness
	}
	errs = append(errs, reports.WriteComparison(dir, &comparison, runs))
	if f.json {
		errs = append(errs, printJSON(w, comparison))
	} else {
		errs = append(errs, reports.CompareTerminal(w.stdout, &comparison, f.style(w, dir)))
		by := "judged by " + own + "; other architectures are controls"
		if own == "" {
			by = "the worst verdict of all runs: none is a control"
		}
		fmt.Fprintf(w.stdout, "\nexit code %d: %s\n", comparison.Exit, by)
	}
	return comparison.Exit, errors.Join(errs...)
}

// turn gives the sides of a trial in its order, A B B A: what drifts while a machine
// warms up is then neither's.
func turn[T any](sides []T, trial int) []T {
	sides = slices.Clone(sides)
	if trial%2 == 1 {
		slices.Reverse(sides)
	}
	return sides
}
