package harness

import (
	"testing"

	runtimeclient "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/processor"
	"github.com/ackproof/ackproof/bench/targettest"
)

func TestTheTargetInProcessIsATarget(t *testing.T) {
	targettest.Run(t, func(t *testing.T) bench.Target {
		f := newFunction(func(env Env) runtimeclient.Handler {
			cfg, err := processor.FromEnv(env.Getenv)
			if err != nil {
				panic(err)
			}
			return runtimeclient.NewHandler(processor.New(cfg, dynamodb.NewFromConfig(env.AWS), clock.Real{}).Handle)
		})
		return local.NewInside(newFaults, f.start)
	})
}
