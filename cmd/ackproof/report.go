package main

import (
	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
)

func reportCommand(w world, code *int) *cobra.Command {
	var schema bool
	cmd := tellCommand(w, code, run.Tell, cobra.Command{
		Use:   "report RUN",
		Short: "Tell a finished run again",
		Long: `Tell a finished run again, from its own files: print the summary and write
report.html, summary.md, junit.xml and the plots anew. The exit code is the
run's verdict. With --schema, and without RUN, print the JSON Schema of result.json.`,
		Example: `  ackproof report runs/latest
  ackproof report runs/latest --json | jq .response_time
  ackproof report --schema > result.schema.json`,
	})
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of result.json")
	tell := cmd.RunE
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if schema {
			return arguments(cobra.NoArgs)(cmd, args)
		}
		return arguments(cobra.ExactArgs(1))(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !schema {
			return tell(cmd, args)
		}
		_, err := w.stdout.Write(reports.ResultSchema)
		return err
	}
	return cmd
}

func reconcileCommand(w world, code *int) *cobra.Command {
	return tellCommand(w, code, run.Judge, cobra.Command{
		Use:   "reconcile RUN",
		Short: "Judge a run again from its own files",
		Long: `Judge a run again from its own files, also one that was cut off: what is known is
told, the rest is unknown. result.json, findings.jsonl and the reports are
written anew. The exit code is the verdict.`,
		Example: `  ackproof reconcile runs/latest`,
	})
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
