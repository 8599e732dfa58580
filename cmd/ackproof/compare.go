package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
	"github.com/ackproof/ackproof/scenarios"
)

// compareFlags are those of the verb compare.
type compareFlags struct {
	json, schema bool
	out          string
	failIf       []string
	capacity     []string
}

func compareCommand(w world, code *int) *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare RUN RUN...",
		Short: "Show what differs between runs, and whether it is more than noise",
		Long: `Show side by side what differs between runs: verdict and losses first, then what
the clients were told, response time, lag and recovery.

RUN is a run directory, or the folder of several trials made in one call (run
--trials N): then these are a side, and with six trials or more on each side a
figure is said to differ only if that is more than noise (Mann–Whitney test, at
most 5 % false alarms over all figures together).

--fail-if holds every other RUN against the first one, the baseline, median
against median: PATH +VALUE where a rise is worse, PATH -VALUE where a fall is.
PATH is a key of result.json that holds a number, or lost, duplicated, recovery;
VALUE a percentage of the baseline's number, a number or a duration; "in PHASE",
"of KIND" or "for FAULT" may follow. With six trials or more on both sides a change must also
be more than noise. Exit code 1: one holds; 3: one cannot be told; else 0.

--capacity names the folder of a search of 'ackproof capacity': what it found stands
beside the runs of the same system, that is of the same architecture, table,
processor, mapping and async.

With --schema, and without RUN, print the JSON Schema of comparison.json.`,
		Example: `  ackproof compare runs/A runs/B
  ackproof compare runs/A runs/B --out comparison/
  ackproof compare baseline/ runs/latest --fail-if 'response_time.p99 +10%' --fail-if 'lost +0'
  ackproof compare runs/A runs/B --capacity runs/A-capacity --capacity runs/B-capacity`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.schema {
				return arguments(cobra.NoArgs)(cmd, args)
			}
			return arguments(cobra.MinimumNArgs(2))(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) (err error) {
			if f.schema {
				_, err := w.stdout.Write(reports.ComparisonSchema)
				return err
			}
			*code, err = f.compare(w, args)
			return err
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print the comparison as JSON")
	cmd.Flags().StringVar(&f.out, "out", "", "also write comparison.json, comparison.html and comparison.md to this folder")
	cmd.Flags().StringArrayVar(&f.failIf, "fail-if", nil, "exit code 1 if this changed by more, such as 'response_time.p99 +10%'; may be repeated")
	cmd.Flags().StringArrayVar(&f.capacity, "capacity", nil, "folder of a search of 'ackproof capacity'; may be repeated")
	cmd.Flags().BoolVar(&f.schema, "schema", false, "print the JSON Schema of comparison.json")
	return cmd
}

// compare reads the runs that the arguments stand for and tells what differs.
func (f *compareFlags) compare(w world, args []string) (int, error) {
	judged, err := run.ReadRuns(args)
	tolerances, malformed := parseTolerances(f.failIf)
	searches, unread := run.ReadSearches(f.capacity)
	if err := errors.Join(err, malformed, unread); err != nil {
		return 0, misuse{err}
	}
	if err := run.Assign(searches, judged); err != nil {
		return 0, misuse{err}
	}
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o755); err != nil {
			return 0, misuse{fmt.Errorf("make the folder of the comparison: %w; choose another with --out", err)}
		}
	}
	var runs []reports.Run
	for _, j := range slices.Concat(judged...) {
		one := reports.Run{Result: &j.Result, Series: j.Series, Dir: f.from(j.Dir), Group: j.Group, Configuration: j.Configuration, Capacity: j.Search.Compared()}
		if one.Capacity != nil {
			one.Capacity.Dir = f.from(one.Capacity.Dir)
		}
		runs = append(runs, one)
	}
	c := reports.Compare(runs, "")
	if c.FailIf, err = holdAgainst(judged, args, tolerances); err != nil {
		return 0, misuse{err}
	}
	c.Exit = exitOfTolerances(c.FailIf)
	if f.out != "" {
		if err := reports.WriteComparison(f.out, &c, runs); err != nil {
			return 0, misuse{fmt.Errorf("write the comparison: %w", err)}
		}
	}
	if f.json {
		return c.Exit, printJSON(w, c)
	}
	return c.Exit, reports.CompareTerminal(w.stdout, &c, reports.Options{Color: w.color, Width: w.width, Dir: display(f.out)})
}

// from gives a folder as the files that are written to --out name it: relative to
// them, and not by a link such as runs/latest, which means another one tomorrow.
func (f *compareFlags) from(dir string) string {
	if f.out == "" {
		return dir
	}
	out, err := realPath(f.out)
	to, missing := realPath(dir)
	rel, apart := filepath.Rel(out, to)
	if errors.Join(err, missing, apart) != nil {
		return dir
	}
	return filepath.ToSlash(rel)
}

func realPath(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func parseTolerances(texts []string) (all []scenarios.Tolerance, err error) {
	for _, text := range texts {
		t, malformed := scenarios.ParseTolerance(text)
		all, err = append(all, t), errors.Join(err, malformed)
	}
	return all, err
}

// holdAgainst holds the runs of each other argument against those of the first.
func holdAgainst(judged [][]run.Judged, args []string, tolerances []scenarios.Tolerance) (out []bench.FailIf, err error) {
	if len(tolerances) == 0 {
		return nil, nil
	}
	trials := make([][]bench.Result, len(judged))
	for i, runs := range judged {
		for _, j := range runs {
			trials[i] = append(trials[i], j.Result)
			if j.Result.Run.Architecture != runs[0].Result.Run.Architecture || j.Configuration != runs[0].Configuration {
				err = errors.Join(err, fmt.Errorf("%s holds several architectures or configurations, whose figures have no common median; for --fail-if name its runs one by one", args[i]))
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	for i := 1; i < len(trials); i++ {
		for _, t := range tolerances {
			f := t.Eval(trials[0], trials[i])
			f.Side = args[i]
			out = append(out, f)
		}
	}
	return out, nil
}

func exitOfTolerances(all []bench.FailIf) int {
	code := exitPass
	for _, f := range all {
		switch {
		case f.Held == nil && code == exitPass:
			code = exitUnknown
		case f.Held != nil && *f.Held:
			code = exitFail
		}
	}
	return code
}
