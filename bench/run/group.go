package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ackproof/ackproof/bench"
)

// comparisonFile lies in the folder of several runs made in one call.
const comparisonFile = "comparison.json"

// Judged is a run that has its verdict.
type Judged struct {
	Dir    string
	Group  string // base name of the folder named for it, where that holds several runs; else empty
	Result bench.Result
	// Configuration is what it was called among the runs of its group, by what
	// was varied; empty: nothing was.
	Configuration string
	Series        *bench.Series // nil: the run has none of this judgement
	Search        *Search       // for the capacity of its system; nil: none was named
}

// ReadRuns reads the results of runs. An argument is a run directory, or the
// folder of several runs made in one call, which stands for all of them. The runs
// of one argument lie in one list. All errors are joined.
func ReadRuns(args []string) ([][]Judged, error) {
	var all [][]Judged
	var errs []error
	for _, arg := range args {
		judged, err := members(arg)
		for i := range judged {
			encoded, err := readResult(judged[i].Dir, &judged[i].Result)
			errs = append(errs, err)
			if series, missing := readSeries(judged[i].Dir, encoded); missing == nil {
				judged[i].Series = series
			}
		}
		all, errs = append(all, judged), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// members lists the runs that an argument stands for.
func members(arg string) ([]Judged, error) {
	path := filepath.Join(arg, comparisonFile)
	if exists(filepath.Join(arg, manifestFile)) || exists(filepath.Join(arg, resultFile)) || !exists(path) {
		return []Judged{{Dir: arg}}, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c bench.Comparison
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("read %s: %w; name the runs in %s one by one", path, err, arg)
	}
	if c.Schema != bench.ComparisonSchema {
		return nil, fmt.Errorf("read %s: schema %q, this version of ackproof reads %q", path, c.Schema, bench.ComparisonSchema)
	}
	real, err := filepath.EvalSymlinks(arg) // runs/latest will be another tomorrow
	if err != nil {
		return nil, err
	}
	var judged []Judged
	var errs []error
	for _, r := range c.Runs {
		if !filepath.IsLocal(r.Dir) {
			errs = append(errs, fmt.Errorf("read %s: the run %.20q is at %.200q, outside its folder; name the runs one by one", path, r.ID, r.Dir))
			continue
		}
		judged = append(judged, Judged{Dir: filepath.Join(arg, r.Dir), Group: filepath.Base(real), Configuration: r.Configuration})
	}
	if len(c.Runs) == 0 {
		errs = append(errs, fmt.Errorf("read %s: it names no run", path))
	}
	return judged, errors.Join(errs...)
}
