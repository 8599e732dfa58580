package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
	"github.com/ackproof/ackproof/scenarios"
)

func reportCommand(w world, code *int) *cobra.Command {
	return tellCommand(w, code, run.Tell, cobra.Command{
		Use:   "report RUN",
		Short: "Tell a finished run again",
		Long: `Tell a finished run again, from its own files: print the summary and write
report.html, summary.md, junit.xml and the plots anew. The exit code is the
run's verdict.`,
		Example: `  ackproof report runs/latest
  ackproof report runs/latest --json | jq .response_time`,
	})
}

func reconcileCommand(w world, code *int) *cobra.Command {
	memory := scenarios.Size(run.DefaultMemory)
	judge := func(dir string) (*bench.Result, *bench.Series, error) {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(memory))) // garbage counts too
		progress := judging{w: w, begun: w.clock.Now()}
		defer progress.end()
		return run.Judge(dir, run.JudgeOptions{Memory: int64(memory), Progress: progress.show})
	}
	cmd := tellCommand(w, code, judge, cobra.Command{
		Use:   "reconcile RUN",
		Short: "Judge a run again from its own files",
		Long: `Judge a run again from its own files, also one that was cut off: what is known is
told, the rest is unknown. result.json, findings.jsonl and the reports are
written anew. The exit code is the verdict.

Memory is bounded, and said beforehand: with less of it, the files are gone
through more often, and the result is the same.`,
		Example: `  ackproof reconcile runs/latest
  ackproof reconcile runs/soak --memory 400MB`,
	})
	cmd.Flags().TextVar(&memory, "memory", memory, "what may be held in memory, such as 400MB")
	return cmd
}

// tellCommand makes a verb that gets a run's result from its directory and tells
// it.
func tellCommand(w world, code *int, get func(dir string) (*bench.Result, *bench.Series, error), cmd cobra.Command) *cobra.Command {
	var asJSON bool
	cmd.Args = arguments(cobra.ExactArgs(1))
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		result, series, err := get(args[0])
		if err != nil {
			return misuse{err}
		}
		if err := reports.Write(args[0], result, series); err != nil {
			return err
		}
		*code = exitOf(result.Verdict)
		if asJSON {
			return printResult(w, result)
		}
		return reports.Terminal(w.stdout, result, reports.Options{Color: w.color, Width: w.width, Dir: display(args[0])})
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return &cmd
}

func compareCommand(w world, code *int) *cobra.Command {
	var asJSON bool
	var out string
	cmd := &cobra.Command{
		Use:   "compare RUN RUN...",
		Short: "Show what differs between runs",
		Long: `Show side by side what differs between runs: verdict and losses first, then what
the clients were told, response time, lag and recovery.`,
		Example: `  ackproof compare runs/A runs/B
  ackproof compare runs/A runs/B --out comparison/`,
		Args: arguments(cobra.MinimumNArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			results, err := run.ReadResults(args)
			if err != nil {
				return misuse{err}
			}
			comparison := reports.Compare(results, args, "")
			*code = exitPass
			if out != "" {
				if err := reports.WriteComparison(out, &comparison); err != nil {
					return misuse{fmt.Errorf("write the comparison: %w", err)}
				}
			}
			if asJSON {
				return printJSON(w, comparison)
			}
			reports.CompareTerminal(w.stdout, &comparison, reports.Options{Color: w.color, Width: w.width, Dir: display(out)})
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the comparison as JSON")
	cmd.Flags().StringVar(&out, "out", "", "also write comparison.json, comparison.html and comparison.md to this folder")
	return cmd
}
