package harness

import (
	"os"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/reports"
)

// Check carries out a run in a test, and ends the test unless the verdict is a
// pass: with the summary that the command line prints, and with the run
// directory, report.html in it, kept for a closer look. For a run that is
// expected to fail, use [Run].
func Check[E, R any](t testing.TB, newHandler func(Env) Handler[E, R], o Options) *bench.Result {
	t.Helper()
	x, err := prepare(newHandler, o)
	if err != nil {
		t.Fatal(err)
	}
	if o.Dir == "" {
		if x.options.Dir, err = os.MkdirTemp("", "ackproof-"); err != nil {
			t.Fatalf("harness: %v", err)
		}
		t.Cleanup(func() {
			if !t.Failed() {
				os.RemoveAll(x.options.Dir)
			}
		})
	}
	result, series, err := x.do(t.Context())
	if result == nil {
		t.Fatal(err)
	}
	if err == nil && result.Verdict == bench.Pass {
		return result
	}
	if err != nil {
		t.Error(err)
	}
	if err := reports.Write(x.dir, result, series); err != nil {
		t.Error(err)
	}
	var summary strings.Builder
	reports.Terminal(&summary, result, reports.Options{Dir: x.dir})
	t.Fatalf("seed %d, run directory %s\n%s", result.Run.Seed, x.dir, summary.String())
	return nil
}
