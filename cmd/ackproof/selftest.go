package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/suite"
	"github.com/ackproof/ackproof/scenarios"
)

// selftestFlags are the flags of `ackproof selftest`.
type selftestFlags struct {
	live, json, quiet bool
	seed              uint64
	only              []string
	keep              string
}

func selftestCommand(w world, code *int) *cobra.Command {
	var f selftestFlags
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Plant each known bug, break it, and see that it is found",
		Long: `Plant each known bug, break it, and see that it is found: the matrix of
docs/selftest.md. A sound configuration must pass under every fault. One wrong
cell, and the exit code is 1: then do not trust the verdicts of this ackproof.

In virtual time the whole matrix takes under a minute of two CPUs. --live runs one
cell for each bug, and six faults on the sound configuration, on real processes,
three at a time: about two minutes.`,
		Example: `  ackproof selftest                  every cell, in virtual time
  ackproof selftest --live           the cells that are worth real processes
  ackproof selftest --only B5        one configuration
  ackproof selftest --seed 7 --json`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				f.seed = clock.Entropy() >> 12 // 52 bits: exact in every JSON reader
			}
			var err error
			*code, err = f.run(cmd.Context(), w)
			return err
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.live, "live", false, "on real processes instead of in virtual time")
	fl.StringSliceVar(&f.only, "only", nil, "names of configurations, such as C1,B2 (default: all)")
	fl.Uint64Var(&f.seed, "seed", 0, "replays the same plans and draws (default: a new one)")
	fl.StringVar(&f.keep, "out", "", "with --live: keep the run directories in this folder (default: they are removed)")
	fl.BoolVar(&f.json, "json", false, "print the outcomes as JSON, and nothing else, to standard output")
	fl.BoolVar(&f.quiet, "quiet", false, "no progress")
	return cmd
}

// cells gives the cells that are asked for.
func (f *selftestFlags) cells() (cells []suite.Cell, err error) {
	asked := map[string]bool{}
	var errs []error
	for _, name := range f.only {
		if _, ok := suite.Lookup(name); !ok {
			errs = append(errs, fmt.Errorf("--only %s: there is no such configuration; docs/selftest.md and 'ackproof selftest' list them", name))
		}
		asked[name] = true
	}
	if f.keep != "" && !f.live {
		errs = append(errs, errors.New("--out keeps run directories, and in virtual time there are none to keep: add --live, or leave it out"))
	}
	all := suite.Matrix()
	if f.live {
		all = suite.Live()
	}
	for _, c := range all {
		if len(f.only) == 0 || asked[c.Configuration] {
			cells = append(cells, c)
		}
	}
	return cells, errors.Join(errs...)
}

// run plays the cells. A cell without an outcome is a wrong one.
func (f *selftestFlags) run(ctx context.Context, w world) (int, error) {
	cells, err := f.cells()
	if err != nil {
		return 0, misuse{err}
	}
	outcomes := map[suite.Cell]suite.Outcome{}
	tell := func(o suite.Outcome) {
		outcomes[o.Cell] = o
		f.progress(w, len(outcomes), len(cells), o)
	}
	started := w.clock.Now()
	if f.live {
		err = f.runLive(ctx, w, cells, tell)
	} else {
		err = suite.RunVirtual(ctx, f.seed, cells, w.stderr, tell)
	}
	if w.tty && !f.quiet {
		fmt.Fprint(w.stderr, "\r\x1b[K")
	}
	if ctx.Err() != nil {
		return exitInterrupted, nil
	}
	wrong := len(cells) - len(outcomes)
	for _, o := range outcomes {
		if len(o.Wrong) > 0 {
			wrong++
		}
	}
	if f.json {
		err = errors.Join(err, f.printJSON(w, cells, outcomes, wrong))
	} else {
		verdict, kind := "PASS", "in virtual time"
		if wrong > 0 {
			verdict = "FAIL"
		}
		if f.live {
			kind = "on real processes"
		}
		fmt.Fprintf(w.stdout, "%s  %d of %d cells are as they must be, %s, seed %d, in %.0f s\n\n",
			verdict, len(cells)-wrong, len(cells), kind, f.seed, w.clock.Now().Sub(started).Seconds())
		err = errors.Join(err, suite.Table(w.stdout, cells, outcomes, suite.Style{Color: w.color, Width: w.width}))
	}
	if wrong > 0 && err == nil {
		return exitFail, nil
	}
	return exitPass, err
}

func (f *selftestFlags) printJSON(w world, cells []suite.Cell, outcomes map[suite.Cell]suite.Outcome, wrong int) error {
	all := []suite.Outcome{}
	for _, c := range cells {
		if o, ok := outcomes[c]; ok {
			all = append(all, o)
		}
	}
	return printJSON(w, map[string]any{"seed": f.seed, "live": f.live, "cells": len(cells), "wrong": wrong, "outcomes": all})
}

// progress tells how far the cells have come.
func (f *selftestFlags) progress(w world, done, all int, o suite.Outcome) {
	switch {
	case f.quiet:
	case w.tty:
		fmt.Fprintf(w.stderr, "\r\x1b[K%d of %d cells", done, all)
	case f.live:
		fmt.Fprintf(w.stderr, "ackproof: %d of %d: %s of %s: %s\n", done, all, o.Probe, o.Configuration, &o.Observation)
	}
}

// liveAtOnce is how many cells are played at the same time: each waits more than it
// computes.
const liveAtOnce = 3

// runLive plays cells on real processes. tell is called from one goroutine at a
// time.
func (f *selftestFlags) runLive(ctx context.Context, w world, cells []suite.Cell, tell func(suite.Outcome)) (err error) {
	out := f.keep
	if out == "" {
		if out, err = os.MkdirTemp("", "ackproof-selftest-"); err != nil {
			return err
		}
		defer os.RemoveAll(out)
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(liveAtOnce)
	for _, c := range cells {
		group.Go(func() error {
			set, err := c.Overrides()
			if err != nil {
				return err
			}
			s, err := scenarios.Load(suite.Base, set)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", c.Probe, c.Configuration, err)
			}
			runs := runFlags{quiet: true}
			d, err := runs.one(ctx, w, s, f.seed, filepath.Join(out, c.Configuration, c.Probe))
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			mu.Lock()
			defer mu.Unlock()
			tell(c.Judge(d.result))
			return nil
		})
	}
	return group.Wait()
}
