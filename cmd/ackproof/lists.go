package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

func scenariosCommand(w world) *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:     "scenarios [NAME]",
		Short:   "List the built-in scenarios, or print one, or the schema of scenario files",
		Example: "  ackproof scenarios\n  ackproof scenarios crash > mine.yaml\n  ackproof scenarios --schema > scenario.schema.json   # for your editor",
		Args:    arguments(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if schema {
				if len(args) > 0 {
					return misuse{errors.New("--schema is that of every scenario: leave the name out")}
				}
				_, err := w.stdout.Write(scenarios.Schema)
				return err
			}
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
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of scenario files")
	return cmd
}

func faultsCommand(w world) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "faults [KIND]",
		Short:   "List the kinds of faults, explain one, or undo what a killed run has left",
		Example: "  ackproof faults\n  ackproof faults processor.kill\n  ackproof faults undo",
		Args:    arguments(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return explain(w, args[0])
			}
			t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
			for _, k := range faults.Kinds() {
				fmt.Fprintf(t, "%s\t%s\n", k.Name, k.About)
			}
			return t.Flush()
		},
	}
	cmd.AddCommand(undoCommand(w))
	return cmd
}

// explain tells all about one kind of fault.
func explain(w world, name string) error {
	k, ok := faults.Lookup(name)
	if !ok {
		var names []string
		for _, k := range faults.Kinds() {
			names = append(names, k.Name)
		}
		hint := "'ackproof faults' lists all"
		if nearest := faults.Nearest(name, names); nearest != "" {
			hint = "the nearest is " + nearest + "; " + hint
		}
		return misuse{fmt.Errorf("no fault is called %q; %s", name, hint)}
	}
	fmt.Fprintf(w.stdout, "%s\n\n%s\n\n", k.Name, k.About)
	t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
	site := k.Site()
	fmt.Fprintf(t, "written\t%s\n", k.Form())
	if len(k.Ops) > 0 {
		fmt.Fprintf(t, "or\ton OPERATION N [to M]: ..., of %s\n", strings.Join(k.Ops, ", "))
	}
	fmt.Fprintf(t, "strikes at\t%s: %s\n", k.Place, site.Where)
	if site.Needs != "" {
		fmt.Fprintf(t, "needs\t%s\n", site.Needs)
	}
	for i, p := range k.Placements {
		title := ""
		if i == 0 {
			title = "placement"
		}
		fmt.Fprintf(t, "%s\t%s\n", title, p)
	}
	for _, key := range k.Keys {
		fmt.Fprintf(t, "%s=\t%s\n", key.Name, key.About)
	}
	fmt.Fprintf(t, "bites counted\t%s\n", site.Counted)
	fmt.Fprintf(t, "undone\t%s\n", site.Undone)
	fmt.Fprintf(t, "targets\t%s\n", strings.Join(k.Targets(), ", "))
	if how, ok := k.OnAWS(); ok {
		fmt.Fprintf(t, "on AWS\t%s\n", how.Lever)
		fmt.Fprintf(t, "bites there\t%s\n", how.Counted)
	}
	fmt.Fprintf(t, "a correct system\t%s\n", k.Correct)
	fmt.Fprintf(t, "exposes\t%s\n", k.Exposes)
	fmt.Fprintf(t, "example\t%s\n", k.Example)
	return t.Flush()
}
