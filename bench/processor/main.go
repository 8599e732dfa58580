package processor

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench/breakable"
	"github.com/ackproof/ackproof/bench/clock"
)

// SDKAttempts is how often the SDK tries a write in all. The default differs
// between versions of the SDK, so it is stated here and can be told in a
// report; the condition of an effect makes a second attempt harmless.
const SDKAttempts = 3

// keepAlive is how many idle connections to DynamoDB a process keeps. One event
// at a time needs one; the rest is for a function that is run concurrently.
const keepAlive = 16

// Main is the function's main: it reads the environment, makes the SDK's
// client and serves events until the process ends. DynamoDB is found as any
// program finds it: by region, or by AWS_ENDPOINT_URL_DYNAMODB. It does not
// return; what stops it from starting is logged, and the exit code is 1.
func Main() {
	log.SetFlags(log.LUTC | log.Ldate | log.Lmicroseconds)
	h, err := load(context.Background(), os.Getenv)
	if err != nil {
		log.Fatal("start processor: ", err)
	}
	breakable.Start(h.Handle)
}

func load(ctx context.Context, getenv func(string) string) (*Handler, error) {
	cfg, err := FromEnv(getenv)
	if err != nil {
		return nil, err
	}
	sdk, err := config.LoadDefaultConfig(ctx,
		config.WithRetryMaxAttempts(SDKAttempts),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = keepAlive
		})))
	if err != nil {
		return nil, fmt.Errorf("configure AWS SDK: %w", err)
	}
	return New(cfg, dynamodb.NewFromConfig(sdk), clock.Real{}), nil
}
