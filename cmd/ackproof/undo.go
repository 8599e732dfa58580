package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/breakage"
)

func undoCommand(w world) *cobra.Command {
	var f accountFlags
	cmd := &cobra.Command{
		Use:   "undo [RUN]",
		Short: "Undo the faults that a killed run has left open, and confirm it",
		Long: `Undo the faults that a killed run has left open, and confirm it.

RUN is a run directory or a run id; without one, all runs of this user. The local
target's faults end with its processes: what can be left are those of commands
(exec.run) and those on AWS. 'ackproof run' undoes them too before it begins.

With --stack what is open on a stack is read from the account itself, in the bucket
ackproof-ACCOUNT-REGION: any machine can undo it. A run that goes on is not asked.`,
		Example: "  ackproof faults undo\n  ackproof faults undo runs/latest\n  ackproof faults undo --stack ackproof    from another machine",
		Args:    arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("stack") {
				if len(args) > 0 {
					return misuse{errors.New("--stack undoes what is open on a stack, whoever has left it: leave RUN out")}
				}
				return f.undo(cmd.Context(), w)
			}
			for _, name := range []string{"region", "profile", "endpoint"} {
				if cmd.Flags().Changed(name) {
					return misuse{fmt.Errorf("--%s goes with --stack, which says what of the account is undone", name)}
				}
			}
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
	f.add(cmd)
	return cmd
}

// undo undoes what is open on a stack, by the account's journal alone.
func (f *accountFlags) undo(ctx context.Context, w world) error {
	a, err := f.open(ctx, w)
	if err != nil {
		return err
	}
	undone := 0
	err = a.UndoFaults(ctx, f.stack, func(o aws.OpenFault) {
		undone++
		fmt.Fprintf(w.stdout, "%q of run %s, open since %s: undone, and confirmed\n", o.Text, o.Run, o.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
	})
	if err == nil && undone == 0 {
		fmt.Fprintf(w.stdout, "no fault is open on stack %s\n", f.stack)
	}
	return err
}

// undoing is the command that undoes what is open on a stack, whatever the
// configuration says by then.
func (f *accountFlags) undoing(a *aws.Account) []string {
	exe, err := os.Executable()
	if err != nil {
		exe = "ackproof"
	}
	args := []string{exe, "faults", "undo", "--stack", f.stack, "--region", a.Region}
	for _, kv := range [][2]string{{"--profile", f.profile}, {"--endpoint", f.endpoint}} {
		if kv[1] != "" {
			args = append(args, kv[0], kv[1])
		}
	}
	return args
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
