package harness_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/processor"
)

// builtIn is the built-in StreamProcessor as a handler.
func builtIn(env harness.Env) harness.Handler[json.RawMessage, any] {
	cfg, err := processor.FromEnv(env.Getenv)
	if err != nil {
		panic(err)
	}
	return processor.New(cfg, dynamodb.NewFromConfig(env.AWS), clock.Real{}).Handle
}

func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := harness.Check(t, builtIn, harness.Options{Scenario: "crash"})
		t.Logf("%+v %+v", r.Requests, r.Faults)
	})
}

var _ = context.Background
