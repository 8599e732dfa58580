package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/reports"
)

func plotCommand(w world) *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "plot RUN KIND",
		Short: "Draw one picture of a run",
		Long: `Draw one picture of a finished run, from its own files, as PNG or SVG, whichever
the name of the file ends in. The kinds are ` + strings.Join(reports.Plots(), ", ") + `.`,
		Example: `  ackproof plot runs/latest backlog
  ackproof plot runs/latest response-time --out slide.svg`,
		Args: arguments(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, kind := args[0], args[1]
			if !slices.Contains(reports.Plots(), kind) {
				hint := "the kinds are " + strings.Join(reports.Plots(), ", ")
				if near := faults.Nearest(kind, reports.Plots()); near != "" {
					hint = "the nearest is " + near + "; " + hint
				}
				return misuse{fmt.Errorf("no picture is called %.40q; %s", kind, hint)}
			}
			if out == "" {
				out = kind + ".png"
			}
			ending := filepath.Ext(out)
			if ending != ".png" && ending != ".svg" {
				return misuse{fmt.Errorf("--out %s: the name must end in .png or .svg", out)}
			}
			result, series, err := run.Tell(dir)
			if err != nil {
				return misuse{err}
			}
			picture, svg, err := reports.Plot(kind, result, series)
			if err != nil {
				return err
			}
			if ending == ".svg" {
				picture = svg
			}
			flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
			if force {
				flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
			}
			f, err := os.OpenFile(out, flags, 0o644)
			if os.IsExist(err) {
				return misuse{fmt.Errorf("%s is there already; choose another name with --out, or overwrite it with --force", out)}
			}
			if err != nil {
				return misuse{fmt.Errorf("write the picture: %w", err)}
			}
			if _, err = f.Write(picture); err != nil {
				f.Close()
				return fmt.Errorf("write the picture: %w", err)
			}
			if err := f.Close(); err != nil {
				return fmt.Errorf("write the picture: %w", err)
			}
			_, err = fmt.Fprintln(w.stdout, out)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the file, .png or .svg (default KIND.png here)")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file")
	return cmd
}
