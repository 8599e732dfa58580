package main

import (
	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
)

func traceCommand(w world, code *int) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trace RUN ID",
		Short: "Tell the whole known life of one request",
		Long: `Tell the whole known life of one request: when it was due, sent and answered, when
its write was committed, each time that it was handed to the processor, its
effects, its dead letter, and the verdict. Times count from when it was due. What
nobody can say is told to be unknown. A run that was cut off is told so far as it
is known. The verdict does not matter to the exit code.

ID is the id of an item, as findings.jsonl and reports name it, or the number of a
request in the plan, from 0.`,
		Example: `  ackproof trace runs/latest 1234
  ackproof trace runs/latest "$(jq -r .id runs/latest/findings.jsonl | head -1)"
  ackproof trace runs/latest 1234 --json | jq '.steps[] | {kind, since_due_ms}'`,
		Args: arguments(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			trace, err := run.Trace(args[0], args[1])
			if err != nil {
				return misuse{err}
			}
			*code = exitPass
			if asJSON {
				return printJSON(w, trace)
			}
			return reports.TraceTerminal(w.stdout, trace, reports.Options{Color: w.color, Width: w.width, Dir: display(args[0])})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the trace as JSON")
	return cmd
}
