// Package reports tells what a run has found: on the terminal, as HTML,
// Markdown, JUnit XML and JSON, in pictures, and for several runs side by side.
//
// Everything is told from a [bench.Result] and a [bench.Series]. The package
// reads no file of a run, no clock and no environment, so that an old run can
// be told again and the same result always gives the same bytes.
//
// # What every report keeps to
//
//   - The verdict comes first, then why, then the numbers.
//   - What could not be observed is called so ([notObserved]), never 0.
//   - A percentile that falls among values never seen to end is "unbounded".
//   - No figure stands alone: the HTML report ends with how each is defined.
//   - Text from outside (scenario names, fault texts, ids, error messages) is
//     hostile until proven otherwise: control and direction characters are made
//     visible, lengths are bounded, and each format is escaped by its own
//     encoder, never by pasting strings.
//
// What is said in words lies in story.go and is shared by all formats, so that
// no two of them can tell different stories.
package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ackproof/ackproof/bench"
)

// Write tells a run in its directory: report.html, summary.md, junit.xml and
// plots/*.png and *.svg. s may be nil: the pictures are then made from what the
// result alone carries. Each file is complete or absent, since it is written
// beside its name and then renamed; the errors of all files are joined.
func Write(dir string, r *bench.Result, s *bench.Series) error {
	if s == nil {
		s = new(bench.Series)
	}
	files := map[string][]byte{"summary.md": Markdown(r)}
	var errs []error
	add := func(name string, data []byte, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("write report: %s: %w", name, err))
			return
		}
		files[name] = data
	}
	junit, err := JUnit(r)
	add("junit.xml", junit, err)
	for _, f := range figures(r, s) {
		svg, err := f.svg()
		add(filepath.Join("plots", f.name+".svg"), svg, err)
		png, err := f.png()
		add(filepath.Join("plots", f.name+".png"), png, err)
	}
	page, err := HTML(r, s)
	add("report.html", page, err)
	if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil {
		return errors.Join(append(errs, fmt.Errorf("write report: %w", err))...)
	}
	for name, data := range files {
		if err := writeFile(filepath.Join(dir, name), data); err != nil {
			errs = append(errs, fmt.Errorf("write report: %w", err))
		}
	}
	return errors.Join(errs...)
}

// WriteComparison tells a comparison in a folder, which is made if need be:
// comparison.json, comparison.html and comparison.md.
func WriteComparison(dir string, c *bench.Comparison, runs []Run) error {
	page, err := CompareHTML(c, runs)
	if err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return errors.Join(
		writeFile(filepath.Join(dir, "comparison.json"), append(data, '\n')),
		writeFile(filepath.Join(dir, "comparison.html"), page),
		writeFile(filepath.Join(dir, "comparison.md"), CompareMarkdown(c)),
	)
}

// Plots lists the names of the pictures that can be drawn.
func Plots() []string {
	var names []string
	for _, f := range figures(new(bench.Result), new(bench.Series)) {
		names = append(names, f.name)
	}
	return names
}

// Plot draws one picture as PNG and as SVG. An unknown name is an error that
// lists the known ones.
func Plot(name string, r *bench.Result, s *bench.Series) (png, svg []byte, err error) {
	if s == nil {
		s = new(bench.Series)
	}
	for _, f := range figures(r, s) {
		if f.name != name {
			continue
		}
		if png, err = f.png(); err != nil {
			return nil, nil, fmt.Errorf("draw %s: %w", name, err)
		}
		if svg, err = f.svg(); err != nil {
			return nil, nil, fmt.Errorf("draw %s: %w", name, err)
		}
		return png, svg, nil
	}
	return nil, nil, fmt.Errorf("draw %.40q: no such picture; there are %q", name, Plots())
}

// writeFile replaces a file in one step: a reader sees the old one or the new
// one, and a crash of ackproof leaves no half. It is not synced to the disk:
// after a power failure a report can be made again from the run's files.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()           // an error here adds nothing to the first one
			os.Remove(f.Name()) // nor does this
		}
	}()
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
