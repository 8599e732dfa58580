package local_test

import (
	"net/http/httptest"
	"os"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/targettest"
	"github.com/ackproof/ackproof/faults"
)

// TestMain lets the test binary play the roles of the target's processes.
func TestMain(m *testing.M) {
	local.MaybeNull()
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

// TestTheLocalTargetIsATargetOnADynamoDBOfOthers, of which a server of the
// embedded engine plays one.
func TestTheLocalTargetIsATargetOnADynamoDBOfOthers(t *testing.T) {
	targettest.Run(t, func(t *testing.T) bench.Target {
		outside := httptest.NewServer(dynamo.NewServer(dynamo.ServerOptions{Engine: dynamo.New(dynamo.Options{Region: local.Region, Shards: 2, Seed: 1})}))
		t.Cleanup(outside.Close)
		return local.New(local.Options{NewFaults: newFaults, Log: t.Output(), DynamoDB: local.Outside{URL: outside.URL}})
	}, "clock.skip", "stream.restart", "cloud.kill")
}
