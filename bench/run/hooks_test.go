package run

import (
	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/scenarios"
)

// ExportInWindows is Export with windows of another size, so that a test can
// have several of them.
var ExportInWindows = exportInWindows

// FindIn finds requests by name in a run that has no files.
func FindIn(id bench.RunID) func(name string) (uint64, error) {
	s, err := scenarios.Load(scenarios.Default, nil)
	if err != nil {
		panic(err)
	}
	f := &files{dir: "run", manifest: &manifest{Run: id}, plan: scenarios.NewPlan(s, id, 0, 1)}
	return f.find
}
