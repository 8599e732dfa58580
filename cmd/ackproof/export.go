package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ackproof/ackproof/bench/run"
)

// exportFlags are the flags of `ackproof export`.
type exportFlags struct {
	format, out string
	force       bool
}

func exportCommand(w world, code *int) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export RUN",
		Short: "Write every request of a run as CSV, JSON lines, Parquet or vegeta results",
		Long: `Write all that a run knows of each request: one row a request, in the order of the
plan, also of a run that was cut off. The run's verdict does not matter to the
exit code.

Formats: csv, jsonl, parquet (opens in DuckDB, pandas and Athena) and vegeta, which
'vegeta report' and 'vegeta plot' read. There a result begins when the request was
due, so that latencies are our response times; warm-up is left out, and what never
ended is an error with the time that it had waited.

Columns of csv, jsonl and parquet. Times that end in _ms are milliseconds from the
start of load. What is not known is null: an empty cell in CSV, where a text that a
spreadsheet would carry out as a formula has an apostrophe before it.

` + columnsHelp() + `
result.json's response_time is that of the rows without warm-up, those with
waited_ms ranking last. What was lost is where verdict is lost_write or
lost_processing.`,
		Example: `  ackproof export runs/latest --out requests.parquet
  ackproof export runs/latest --format csv | head
  ackproof export runs/latest --format vegeta | vegeta report`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			*code = exitPass
			return f.export(cmd.Context(), w, args[0])
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "", "csv, jsonl, parquet or vegeta (default: as --out ends, else csv)")
	fl.StringVar(&f.out, "out", "-", "file to write; -: standard output")
	fl.BoolVar(&f.force, "force", false, "replace the file if it is there")
	return cmd
}

// columnsHelp lists the columns with what they hold.
func columnsHelp() string {
	var b strings.Builder
	for _, c := range run.ExportColumns() {
		fmt.Fprintf(&b, "  %-21s %-9s  %s\n", c.Name, c.Kind, c.About)
	}
	return b.String()
}

func (f *exportFlags) export(ctx context.Context, w world, dir string) error {
	encoding, err := f.check(w)
	if err != nil {
		return misuse{err}
	}
	if f.out == "-" {
		done, err := run.Export(ctx, dir, w.stdout, encoding)
		return tellExport(w, done, err)
	}
	file, err := createAside(f.out, f.force)
	if err != nil {
		return misuse{err}
	}
	defer file.discard()
	done, err := run.Export(ctx, dir, file, encoding)
	if err == nil {
		err = file.keep()
	}
	return tellExport(w, done, err)
}

// check finds the encoding and says all that is wrong with the flags at once.
func (f *exportFlags) check(w world) (run.Encoding, error) {
	encoding, guessed := run.EncodingOf(f.out)
	var names []string
	for _, e := range run.ExportEncodings() {
		names = append(names, string(e))
	}
	var errs []error
	switch {
	case f.format != "":
		if encoding = run.Encoding(f.format); !slices.Contains(names, f.format) {
			errs = append(errs, fmt.Errorf("--format %s: want one of %s", f.format, strings.Join(names, ", ")))
		}
	case f.out == "-":
		encoding = "csv"
	case !guessed:
		errs = append(errs, fmt.Errorf("--out %s: the name does not tell the format; say --format, one of %s", f.out, strings.Join(names, ", ")))
	}
	if out, ok := w.stdout.(*os.File); ok && f.out == "-" && encoding.Binary() && term.IsTerminal(int(out.Fd())) {
		errs = append(errs, fmt.Errorf("--format %s is not for a terminal: say --out FILE, or pipe it on", encoding))
	}
	if f.out == "" {
		errs = append(errs, errors.New("--out has no name: give a file, or - for standard output"))
	}
	if f.force && f.out == "-" {
		errs = append(errs, errors.New("--force without a file to replace: say --out FILE"))
	}
	return encoding, errors.Join(errs...)
}

var errExportInterrupted = errors.New("the export was interrupted; it is not whole")

// tellExport says on stderr what was written, and what is missing in it.
func tellExport(w world, done run.Exported, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return errExportInterrupted
	case err != nil:
		return misuse{err} // nothing of a run was touched: the directory or the disk is at fault
	}
	const some = 5
	for i, note := range done.Notes {
		if i == some {
			fmt.Fprintf(w.stderr, "ackproof: and %d more such notes\n", len(done.Notes)-some)
			break
		}
		fmt.Fprintf(w.stderr, "ackproof: %s\n", note)
	}
	rows := "1 row"
	if done.Rows != 1 {
		rows = fmt.Sprintf("%d rows", done.Rows)
	}
	_, err = fmt.Fprintf(w.stderr, "ackproof: %s\n", rows)
	return err
}

// aside is a file that is written beside its name, and gets it when it is whole.
type aside struct {
	io.Writer
	file  *os.File
	name  string
	force bool
}

// createAside begins a file. One that is there already is an error without
// force.
func createAside(name string, force bool) (*aside, error) {
	a := &aside{name: name, force: force}
	if err := a.free(); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, fmt.Errorf("--out %s: %w", name, err)
	}
	a.file, a.Writer = file, file
	return a, nil
}

func (a *aside) free() error {
	info, err := os.Stat(a.name)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		return fmt.Errorf("--out %s is a folder: name a file in it", a.name)
	case !a.force:
		return fmt.Errorf("--out %s is there already: choose another name, or say --force", a.name)
	}
	return nil
}

// keep gives the file its name. Somebody else may have taken it meanwhile.
func (a *aside) keep() error {
	err := errors.Join(a.free(), a.file.Chmod(0o644), a.file.Sync(), a.file.Close())
	if err != nil {
		return err
	}
	return os.Rename(a.file.Name(), a.name)
}

// discard removes the file unless it was kept.
func (a *aside) discard() {
	a.file.Close()
	os.Remove(a.file.Name())
}
