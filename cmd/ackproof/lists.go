package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

func scenariosCommand(w world) *cobra.Command {
	return &cobra.Command{
		Use:     "scenarios [NAME]",
		Short:   "List the built-in scenarios, or print one",
		Example: "  ackproof scenarios\n  ackproof scenarios crash > mine.yaml",
		Args:    arguments(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				source, err := scenarios.Source(args[0])
				if err != nil {
					return misuse{err}
				}
				_, err = w.stdout.Write(source)
				return err
			}
			t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
			for _, name := range scenarios.Builtins() {
				s, err := scenarios.Load(name, nil)
				if err != nil {
					return err
				}
				fmt.Fprintf(t, "%s\t%s\n", name, s.About)
			}
			return t.Flush()
		},
	}
}

func faultsCommand(w world) *cobra.Command {
	return &cobra.Command{
		Use:     "faults [KIND]",
		Short:   "List the kinds of faults, or explain one",
		Example: "  ackproof faults\n  ackproof faults processor.kill",
		Args:    arguments(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				text, err := faults.Explain(args[0])
				if err != nil {
					return misuse{err}
				}
				_, err = fmt.Fprint(w.stdout, text)
				return err
			}
			t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
			for _, k := range faults.Kinds() {
				fmt.Fprintf(t, "%s\t%s\n", k.Name, k.About)
			}
			return t.Flush()
		},
	}
}
