package aws

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"

	"github.com/ackproof/ackproof/bench/sdk"
)

// Account is where stacks are: an account and a region of AWS, or a stand-in for
// one at an endpoint of this machine.
type Account struct {
	ID, Region string
	Caller     string // ARN of who is asking

	formation *cloudformation.Client
	objects   *s3.Client
	queues    *sqs.Client
	watch     *cloudwatch.Client
	// What levers are pulled with.
	lambda  *lambda.Client
	iam     *iam.Client
	gateway *apigateway.Client
	tables  *dynamodb.Client
	logs    *cloudwatchlogs.Client
	fis     *fis.Client
}

// OpenAccount finds credentials and region as any AWS program does, and asks who
// they are. Endpoint is empty, or the URL of a stand-in on this machine, which is
// never given real credentials.
func OpenAccount(ctx context.Context, endpoint, region, profile string) (*Account, error) {
	var config aws.Config
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || !sdk.OnThisHost(u) {
			return nil, fmt.Errorf("endpoint %s: want a URL of this machine; AWS's own are found by region", endpoint)
		}
		if region == "" {
			region = sdk.DefaultRegion
		}
		config = sdk.Local(region, nil)
		config.BaseEndpoint = &endpoint
	} else {
		var err error
		if config, err = sdk.Account(ctx, region, profile); err != nil {
			return nil, err
		}
	}
	if config.Region == "" {
		return nil, errors.New("no region is named; say --region, or set AWS_REGION")
	}
	config.Retryer, config.RetryMaxAttempts = nil, 0 // nothing here is a measurement
	who, err := sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("ask AWS who we are: %w; set credentials, or name a profile with --profile", err)
	}
	return &Account{
		ID: aws.ToString(who.Account), Region: config.Region, Caller: aws.ToString(who.Arn),
		formation: cloudformation.NewFromConfig(config),
		objects: s3.NewFromConfig(config, func(o *s3.Options) {
			o.UsePathStyle = endpoint != ""
			o.DisableLogOutputChecksumValidationSkipped = true // an export's files have none, and its manifest has
		}),
		queues: sqs.NewFromConfig(config),
		watch: cloudwatch.NewFromConfig(config, func(o *cloudwatch.Options) {
			if endpoint != "" { // stand-ins do not know the protocol of today (CBOR), and AWS still takes the old one
				o.Protocol = awsquery.New(schemas.GraniteServiceVersion20100801)
			}
		}),
		lambda: lambda.NewFromConfig(config), iam: iam.NewFromConfig(config), gateway: apigateway.NewFromConfig(config),
		tables: dynamodb.NewFromConfig(config), logs: cloudwatchlogs.NewFromConfig(config), fis: fis.NewFromConfig(config),
	}, nil
}

// Asked says where that is, and who asks there.
func (a *Account) Asked() string { return fmt.Sprintf("%s, as %s", a, a.Caller) }

// String says where that is.
func (a *Account) String() string { return "account " + a.ID + ", region " + a.Region }
