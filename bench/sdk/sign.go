package sdk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// SignAPI finds what requests to an API are signed with: the credentials of any AWS
// program, for a host that is not this one, and the region, which the host of an
// API of API Gateway names. What it gives signs one request, whose body is beside
// it. https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-control-access-using-iam-policies-to-invoke-api.html
func SignAPI(ctx context.Context, api, region, profile string) (func(*http.Request, []byte, time.Time) error, error) {
	u, err := url.Parse(api)
	if err != nil {
		return nil, fmt.Errorf("sign requests: %w", err)
	}
	if r, ok := regionOfAPI(u.Hostname()); ok {
		region = r
	}
	config := Local(region, nil)
	if !OnThisHost(u) {
		if config, err = Account(ctx, region, profile); err != nil {
			return nil, fmt.Errorf("sign requests: %w", err)
		}
	}
	if config.Region == "" {
		return nil, fmt.Errorf("sign requests to %s: no region is known; name one in target.dynamodb.region", api)
	}
	if _, err := config.Credentials.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("sign requests to %s: no credentials: %w", api, err)
	}
	return signer(config), nil
}

func signer(config aws.Config) func(*http.Request, []byte, time.Time) error {
	s := v4.NewSigner()
	return func(r *http.Request, body []byte, now time.Time) error {
		credentials, err := config.Credentials.Retrieve(r.Context())
		if err != nil {
			return fmt.Errorf("sign a request: %w", err)
		}
		sum := sha256.Sum256(body)
		return s.SignHTTP(r.Context(), credentials, r, hex.EncodeToString(sum[:]), "execute-api", config.Region, now)
	}
}

// regionOfAPI takes the host name of an API apart:
// a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com.
func regionOfAPI(host string) (string, bool) {
	parts := strings.Split(host, ".")
	if len(parts) < 5 || parts[1] != "execute-api" || parts[3] != "amazonaws" {
		return "", false
	}
	return parts[2], true
}
