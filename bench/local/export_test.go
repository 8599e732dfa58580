package local

import (
	"context"
	"os"

	runtimeclient "github.com/aws/aws-lambda-go/lambda"
)

// nullEnv makes the test binary a function that costs what the protocol does.
const nullEnv = "ACKPROOF_TEST_NULL"

type null struct{}

func (null) Invoke(context.Context, []byte) ([]byte, error) { return []byte(`null`), nil }

// MaybeNull plays the function null where the environment asks for it. It does
// not return then.
func MaybeNull() {
	if os.Getenv(nullEnv) != "" {
		runtimeclient.Start(null{})
	}
}
