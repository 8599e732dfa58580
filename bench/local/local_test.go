package local_test

import (
	"os"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/targettest"
	"github.com/ackproof/ackproof/faults"
)

// TestMain lets the test binary play the roles of the target's processes.
func TestMain(m *testing.M) {
	if code, played := local.Main(newFaults); played {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func newFaults(seed uint64, texts []string) (local.Faults, error) {
	return faults.ParseSet(seed, texts)
}

func TestTheLocalTargetIsATarget(t *testing.T) {
	targettest.Run(t, func(t *testing.T) bench.Target {
		return local.New(local.Options{NewFaults: newFaults, Log: t.Output()})
	})
}
