package sdk

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
)

// DefaultRegion is the region where nobody has named one.
const DefaultRegion = "us-east-1"

// Dial opens a connection; nil: on the machine's network.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// DynamoDB is how a DynamoDB is called. AWS serves the streams under another host
// than the tables; everybody else under the same.
// https://docs.aws.amazon.com/general/latest/gr/ddb.html
type DynamoDB struct {
	Tables, Streams string     // URLs; empty: AWS's own of the region
	Config          aws.Config // never tries again by itself
}

// Local is the configuration for an endpoint on this machine, which asks for
// credentials and takes any. Retries are off: whoever uses it wants to see what
// really happened.
func Local(region string, dial Dial) aws.Config {
	return aws.Config{
		Region:           region,
		Credentials:      credentials.NewStaticCredentialsProvider("ackproof", "local", ""),
		HTTPClient:       HTTPClient(dial),
		RetryMaxAttempts: 1,
		Retryer:          func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// Account is the configuration of any AWS program, without retries. A region or
// profile that is not empty wins over the environment's.
func Account(ctx context.Context, region, profile string) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} })}
	if profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if b, ok := c.HTTPClient.(*awshttp.BuildableClient); ok { // with the certificates that the configuration names
		t := b.GetTransport()
		t.MaxIdleConnsPerHost = keepAlive
		c.HTTPClient = &http.Client{Transport: whole{t}}
	}
	return c, nil
}

// OpenDynamoDB finds credentials and region; it calls nobody. On this machine they
// are fixed, since no stand-in asks for real ones, and real ones are nothing to be
// handed to it. Elsewhere they are those of any AWS program. Endpoint may be
// empty: AWS's own, or those that AWS_ENDPOINT_URL and its kin name.
func OpenDynamoDB(ctx context.Context, endpoint, region, profile string, dial Dial) (DynamoDB, error) {
	d := DynamoDB{Tables: strings.TrimSuffix(endpoint, "/")}
	d.Streams = d.Tables
	u, err := url.Parse(endpoint)
	if err != nil {
		return d, fmt.Errorf("dynamodb endpoint: %w", err)
	}
	if endpoint != "" && (OnThisHost(u) || dial != nil) {
		if region == "" {
			region = DefaultRegion
		}
		d.Config = Local(region, dial)
		return d, nil
	}
	if r, streams, ok := ofAWS(u.Hostname()); ok {
		region = r // a signature is for the region that it goes to
		u.Host = strings.Replace(u.Host, u.Hostname(), streams, 1)
		d.Streams = strings.TrimSuffix(u.String(), "/")
	}
	if d.Config, err = Account(ctx, region, profile); err != nil {
		return d, fmt.Errorf("dynamodb endpoint %s: %w", endpoint, err)
	}
	if d.Config.Region == "" {
		d.Config.Region = DefaultRegion
	}
	if endpoint == "" { // the environment or the profile may name others than AWS's own
		d.Tables = aws.ToString(dynamodb.NewFromConfig(d.Config).Options().BaseEndpoint)
		d.Streams = aws.ToString(dynamodbstreams.NewFromConfig(d.Config).Options().BaseEndpoint)
	}
	return d, nil
}

// DB makes a client of the tables.
func (d DynamoDB) DB() *dynamodb.Client {
	return dynamodb.NewFromConfig(d.Config, func(o *dynamodb.Options) { o.BaseEndpoint = orNil(d.Tables) })
}

// Reader makes a client of the streams.
func (d DynamoDB) Reader() *dynamodbstreams.Client {
	return dynamodbstreams.NewFromConfig(d.Config, func(o *dynamodbstreams.Options) { o.BaseEndpoint = orNil(d.Streams) })
}

func orNil(url string) *string {
	if url == "" {
		return nil
	}
	return &url
}

// OnThisHost reports whether a URL can lead nowhere else. A name other than
// localhost may, whatever it resolves to today.
func OnThisHost(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// ofAWS takes the host name of a regional endpoint apart:
// dynamodb.eu-west-1.amazonaws.com.
func ofAWS(host string) (region, streams string, ok bool) {
	rest, ok := strings.CutPrefix(host, "dynamodb.")
	region, domain, found := strings.Cut(rest, ".")
	if !ok || !found || !strings.HasPrefix(domain, "amazonaws.com") {
		return "", "", false
	}
	return region, "streams." + host, true
}
