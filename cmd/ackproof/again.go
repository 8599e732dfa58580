package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench/run"
)

// againFlags say from where reconcile reads a run's tables again.
type againFlags struct {
	from           string
	items, results []string
}

// Values of --from.
const (
	fromAuto   = "auto"
	fromTables = "tables"
	fromFiles  = "files"
)

func (a *againFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&a.from, "from", fromAuto, "tables: read the run's tables again, wherever they are; files: judge what was read\nbefore; auto: tables that are still there on this machine, else files")
	fl.StringArrayVar(&a.items, "items-export", nil, "folder of an export of the items table to S3; may be given twice")
	fl.StringArrayVar(&a.results, "results-export", nil, "folder of an export of the results table, for each --items-export")
}

// read reads the tables again, where that is asked for or can be done.
func (a *againFlags) read(ctx context.Context, w world, dir string) error {
	var errs []error
	if a.from != fromAuto && a.from != fromTables && a.from != fromFiles {
		errs = append(errs, fmt.Errorf("--from %s: want auto, tables or files", a.from))
	}
	exports := len(a.items) > 0 || len(a.results) > 0
	if exports && a.from != fromAuto {
		errs = append(errs, fmt.Errorf("--from %s and exports: judge from one of them", a.from))
	}
	if exports && len(a.items) != len(a.results) {
		errs = append(errs, errors.New("--items-export and --results-export belong together: give one of each for each export"))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	again := run.Again{Clock: w.clock, Live: a.from == fromTables || a.from == fromAuto && !exports && run.OnThisMachine(dir)}
	for i := range a.items {
		again.Exports = append(again.Exports, run.TableExport{Items: a.items[i], Results: a.results[i]})
	}
	if !again.Live && !exports {
		return nil
	}
	err := run.ReadAgain(ctx, dir, again)
	switch {
	case errors.Is(err, run.ErrNotLive) && a.from == fromAuto:
		return nil // judged from what was read before
	case err == nil && again.Live:
		fmt.Fprintln(w.stderr, "ackproof: the run's tables are still there, and were read again")
	}
	return err
}
