package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
	"github.com/ackproof/ackproof/scenarios"
)

// reportForms are what report prints in the place of the summary.
var reportForms = []struct {
	flag, usage string
	form        func(*bench.Result) ([]byte, error)
}{
	{"json", "print the result as JSON", run.EncodeResult},
	{"openmetrics", "print the figures as OpenMetrics text", reports.OpenMetrics},
	{"line", "print one line of Markdown, for a README", func(r *bench.Result) ([]byte, error) { return reports.Line(r), nil }},
}

// schemaOfResult is what --schema alone prints.
const schemaOfResult = "result"

var reportSchemas = map[string][]byte{schemaOfResult: reports.ResultSchema, "series": reports.SeriesSchema}

func reportCommand(w world, code *int) *cobra.Command {
	var schema string
	asked := make([]bool, len(reportForms))
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "Tell a finished run again",
		Long: `Tell a finished run again, from its own files: print the summary and write
report.html, summary.md, junit.xml and the plots anew. The exit code is the
run's verdict. With --schema, and without RUN, print the JSON Schema of result.json;
with --schema=series that of series.json.

Where the variable GITHUB_STEP_SUMMARY names a file, as in GitHub Actions, run and
report add summary.md to it.`,
		Example: `  ackproof report runs/latest
  ackproof report runs/latest --json | jq .response_time
  ackproof report runs/latest --openmetrics > ackproof.prom
  ackproof report --schema > result.schema.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if schema != "" {
				return arguments(cobra.NoArgs)(cmd, args)
			}
			return arguments(cobra.ExactArgs(1))(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := oneForm(asked); err != nil {
				return misuse{err}
			}
			if schema != "" {
				text, ok := reportSchemas[schema]
				if !ok {
					return misuse{fmt.Errorf("--schema=%.40q: want result or series; 'ackproof compare --schema' and 'ackproof capacity --schema' print theirs", schema)}
				}
				_, err := w.stdout.Write(text)
				return err
			}
			result, err := tell(w, code, run.Tell, args[0])
			if err != nil {
				return err
			}
			for i, form := range reportForms {
				if asked[i] {
					b, err := form.form(result)
					if err == nil {
						_, err = w.stdout.Write(b)
					}
					return err
				}
			}
			return reports.Terminal(w.stdout, result, reports.Options{Color: w.color, Width: w.width, Dir: display(args[0])})
		},
	}
	cmd.Flags().StringVar(&schema, "schema", "", "print the JSON Schema of result.json, or with =series that of series.json")
	cmd.Flags().Lookup("schema").NoOptDefVal = schemaOfResult
	for i, form := range reportForms {
		cmd.Flags().BoolVar(&asked[i], form.flag, false, form.usage)
	}
	return cmd
}

// oneForm wants at most one form asked for: they go to the same place.
func oneForm(asked []bool) error {
	var names []string
	for i, form := range reportForms {
		if asked[i] {
			names = append(names, "--"+form.flag)
		}
	}
	if len(names) > 1 {
		return fmt.Errorf("%s: standard output takes one of them at a time", strings.Join(names, " and "))
	}
	return nil
}

func reconcileCommand(w world, code *int) *cobra.Command {
	var asJSON bool
	var again againFlags
	memory := scenarios.Size(run.DefaultMemory)
	judge := func(dir string, progress *judging) (*bench.Result, *bench.Series, error) {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
		defer progress.end()
		var hold sync.Once
		return run.Judge(dir, run.JudgeOptions{Memory: int64(memory), Progress: func(p run.Judging) {
			hold.Do(func() { debug.SetMemoryLimit(p.GoLimit()) })
			progress.show(p)
		}})
	}
	cmd := &cobra.Command{
		Use:   "reconcile RUN...",
		Short: "Judge a run again from its own files",
		Long: `Judge a run again from its own files, also one that was cut off: what is known is
told, the rest is unknown. result.json, findings.jsonl and the reports are
written anew. The exit code is the verdict.

Memory is bounded, and said beforehand: with less of it, the files are gone
through more often, and the result is the same. A judgement that is cut off, by
ctrl-C or kill -9, goes on where it was with the same command: every few seconds it
is written down in judging.partial, which counts only for the same files.

A plan that several agents have sent ('run --agent') is judged as one run: name the
run directories of all agents, or a folder that holds them.

Where the run's tables are still there, at a port of this machine, and carry its
id, they are read again: what was pending may have come. Of tables elsewhere that
is done with --from tables, since it costs capacity. Or a table export to S3 is
read, a folder with manifest-summary.json; given twice, the second is compared with
the first. What any read has found was there; a read of before stays in the run.`,
		Example: `  ackproof reconcile runs/latest
  ackproof reconcile runs/soak --memory 400MB
  ackproof reconcile from-a/*-agent-1 from-b/*-agent-2
  ackproof reconcile runs/soak --items-export AWSDynamoDB/01-items --results-export AWSDynamoDB/01-results`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := run.Gather(args)
			if err == nil {
				err = again.read(cmd.Context(), w, dir)
			}
			if err != nil {
				return misuse{err}
			}
			result, err := tell(w, code, func(dir string) (*bench.Result, *bench.Series, error) {
				return untilInterrupted(cmd.Context(), w, dir, judge)
			}, dir)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printResult(w, result)
			}
			return reports.Terminal(w.stdout, result, reports.Options{Color: w.color, Width: w.width, Dir: display(dir)})
		},
	}
	again.add(cmd)
	cmd.Flags().TextVar(&memory, "memory", memory, "what may be held in memory, such as 400MB")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	return cmd
}

// tell gets a run's result from its directory and writes its reports anew.
func tell(w world, code *int, get func(dir string) (*bench.Result, *bench.Series, error), dir string) (*bench.Result, error) {
	result, series, err := get(dir)
	switch {
	case errors.Is(err, errJudgingInterrupted):
		return nil, err
	case err != nil:
		return nil, misuse{err}
	}
	*code = exitOf(result.Verdict)
	if series.CloudWatch, err = run.ReadCloudWatch(dir, result.Run.ID); err != nil {
		fmt.Fprintf(w.stderr, "ackproof: %v\n", err) // the rest is told
	}
	return result, errors.Join(reports.Write(dir, result, series), stepSummary(w, result))
}

// stepSummary adds the summary to the page that GitHub Actions shows of a step.
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary
func stepSummary(w world, r *bench.Result) error {
	path := w.getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.Write(append(reports.Markdown(r), '\n'))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("add to the step summary GITHUB_STEP_SUMMARY: %w", err)
	}
	return nil
}
