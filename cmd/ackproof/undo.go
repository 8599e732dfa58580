package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench/breakage"
)

func undoCommand(w world) *cobra.Command {
	return &cobra.Command{
		Use:   "undo [RUN]",
		Short: "Undo the faults that a killed run has left open, and confirm it",
		Long: `Undo the faults that a killed run has left open, and confirm it.

RUN is a run directory or a run id; without one, all runs of this user. The local
target's faults end with its processes: what can be left are those of commands
(exec.run). 'ackproof run' undoes them too before it begins.`,
		Example: "  ackproof faults undo\n  ackproof faults undo runs/latest",
		Args:    arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if w.breakages == nil {
				return misuse{errors.New("there is no folder for the journals of open faults; name one with ACKPROOF_STATE")}
			}
			left, err := leftOf(w.breakages, args)
			if len(left) == 0 && err == nil {
				fmt.Fprintln(w.stdout, "no fault is open")
			}
			return errors.Join(err, undoLeft(cmd.Context(), w, left))
		},
	}
}

// leftOf gives what is left of a run, or of all.
func leftOf(f *breakage.Folder, args []string) ([]*breakage.Journal, error) {
	if len(args) == 0 {
		return f.Left()
	}
	j, err := f.Of(args[0])
	switch {
	case err == nil:
		return []*breakage.Journal{j}, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	}
	return nil, misuse{fmt.Errorf("undo the faults of %s: %w", args[0], err)}
}

// undoLeft undoes what dead runs have left, and tells of it.
func undoLeft(ctx context.Context, w world, left []*breakage.Journal) error {
	var errs []error
	for _, j := range left {
		texts := j.Texts()
		err := j.UndoAll(ctx)
		if err == nil && len(texts) > 0 {
			fmt.Fprintf(w.stderr, "ackproof: run %s had left %s open: undone, and confirmed\n", j.Run, quoted(texts))
		}
		errs = append(errs, err, j.Close())
	}
	return errors.Join(errs...)
}

// lookForLeft looks, at each start, for what dead runs have left open. A run
// undoes it first, since what it would find broken is not its own doing; other
// verbs say it.
func lookForLeft(cmd *cobra.Command, w world) error {
	if w.breakages == nil || cmd.Name() == "undo" {
		return nil
	}
	left, err := w.breakages.Left()
	if cmd.Name() == "run" || cmd.Name() == "suite" {
		if err = errors.Join(err, undoLeft(cmd.Context(), w, left)); err != nil {
			return misuse{fmt.Errorf("%w\nan earlier run has left this open, and a run on top of it would prove nothing: put it right, then 'ackproof faults undo'", err)}
		}
		return nil
	}
	for _, j := range left {
		if texts := j.Texts(); len(texts) > 0 {
			fmt.Fprintf(w.stderr, "ackproof: run %s was killed and has left %s open; 'ackproof faults undo' undoes it\n", j.Run, quoted(texts))
		}
		j.Close()
	}
	if err != nil {
		fmt.Fprintf(w.stderr, "ackproof: %v\n", err)
	}
	return nil
}

func quoted(texts []string) string { return "\"" + strings.Join(texts, "\", \"") + "\"" }
