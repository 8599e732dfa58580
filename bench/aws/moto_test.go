package aws

import (
	"archive/zip"
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	tabletypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	fistypes "github.com/aws/aws-sdk-go-v2/service/fis/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/peer"
)

// system is a system on moto, made call by call: after a change set moto gives no
// outputs. Its tables have a capacity, so that it can be lowered.
type system struct {
	t       *testing.T
	a       *Account
	parts   Parts
	url     string
	mapping string // UUID
	fis     string // id of an experiment template
	python  *interpreter
}

// in is the system within a part of the test.
func (s *system) in(t *testing.T) *system {
	of := *s
	of.t = t
	return &of
}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","apigateway.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newSystem(t *testing.T) *system {
	t.Helper()
	a, url := onMotoAt(t)
	s := &system{t: t, a: a, url: url, python: newInterpreter(t, url), parts: Parts{Stack: "ackproof", Function: "ackproof-processor", Items: "items", Results: "results", Stage: stageName}}
	ctx := t.Context()
	role := must[*iam.CreateRoleOutput](t)(a.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("ackproof-role"), AssumeRolePolicyDocument: aws.String(trust)})).Role.Arn
	for _, table := range []string{s.parts.Items, s.parts.Results} {
		out := must[*dynamodb.CreateTableOutput](t)(a.tables.CreateTable(ctx, &dynamodb.CreateTableInput{
			TableName: &table, ProvisionedThroughput: &tabletypes.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(9)},
			AttributeDefinitions: []tabletypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: tabletypes.ScalarAttributeTypeS}},
			KeySchema:            []tabletypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: tabletypes.KeyTypeHash}},
			StreamSpecification:  &tabletypes.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: tabletypes.StreamViewTypeNewImage},
		}))
		if table == s.parts.Items {
			s.parts.Stream = text(out.TableDescription.LatestStreamArn)
		}
	}
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	if _, err := z.Create("bootstrap"); err != nil {
		t.Fatal(err)
	}
	z.Close()
	must[*lambda.CreateFunctionOutput](t)(a.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &s.parts.Function, Role: role, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), Timeout: aws.Int32(3), MemorySize: aws.Int32(256),
		Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}, Environment: &lambdatypes.Environment{Variables: map[string]string{"ITEMS_TABLE": "items"}},
	}))
	s.mapping = text(must[*lambda.CreateEventSourceMappingOutput](t)(a.lambda.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{
		FunctionName: &s.parts.Function, EventSourceArn: &s.parts.Stream, StartingPosition: lambdatypes.EventSourcePositionTrimHorizon, BatchSize: aws.Int32(42),
	})).UUID)
	group := "/aws/lambda/" + s.parts.Function
	a.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}) // moto may have made it
	must[*cloudwatchlogs.CreateLogStreamOutput](t)(a.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: aws.String("one")}))
	s.api(role)
	s.fis = text(must[*fis.CreateExperimentTemplateOutput](t)(a.fis.CreateExperimentTemplate(ctx, &fis.CreateExperimentTemplateInput{
		ClientToken: aws.String("t"), Description: aws.String("waits"), RoleArn: role, StopConditions: []fistypes.CreateExperimentTemplateStopConditionInput{{Source: aws.String("none")}},
		Actions: map[string]fistypes.CreateExperimentTemplateActionInput{"wait": {ActionId: aws.String("aws:fis:wait"), Parameters: map[string]string{"duration": "PT5M"}}},
	})).ExperimentTemplate.Id)
	return s
}

// api makes the REST API with an integration that has a role.
func (s *system) api(role *string) {
	ctx, g := s.t.Context(), s.a.gateway
	api := must[*apigateway.CreateRestApiOutput](s.t)(g.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("ackproof")}))
	s.parts.API = text(api.Id)
	in := &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("POST"), AuthorizationType: aws.String("NONE")}
	must[*apigateway.PutMethodOutput](s.t)(g.PutMethod(ctx, in))
	must[*apigateway.PutIntegrationOutput](s.t)(g.PutIntegration(ctx, &apigateway.PutIntegrationInput{
		RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("POST"), IntegrationHttpMethod: aws.String("POST"), Credentials: role,
		Type: gatewaytypes.IntegrationTypeAws, Uri: aws.String("arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem"),
	}))
	must[*apigateway.CreateDeploymentOutput](s.t)(g.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: &s.parts.Stage}))
	// As our template has them. Moto does not know how to remove what was not there.
	must[*apigateway.UpdateStageOutput](s.t)(g.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api.Id, StageName: &s.parts.Stage, PatchOperations: limits(50, 20)}))
}

// levers makes the levers of some faults.
func (s *system) levers(faults ...string) (*Levers, bench.Stack) {
	l := NewLevers(LeverOptions{Account: s.a, Parts: s.parts, Clock: clock.Real{}})
	l.hand.poll = 50 * time.Millisecond
	return l, bench.Stack{Run: "01234567", Architecture: bench.Streams, Faults: faults}
}

// logs writes a line as the function would.
func (s *system) logs(line string) {
	_, err := s.a.logs.PutLogEvents(s.t.Context(), &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: aws.String("/aws/lambda/" + s.parts.Function), LogStreamName: aws.String("one"),
		LogEvents: []logtypes.InputLogEvent{{Message: &line, Timestamp: aws.Int64(clock.Real{}.Now().UnixMilli())}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// measures puts a value of a metric as the service would.
func (s *system) measures(c metricCounter, n float64) {
	var of []types.Dimension
	for i := 0; i < len(c.Dimensions); i += 2 {
		of = append(of, types.Dimension{Name: &c.Dimensions[i], Value: &c.Dimensions[i+1]})
	}
	now := clock.Real{}.Now()
	_, err := s.a.watch.PutMetricData(s.t.Context(), &cloudwatch.PutMetricDataInput{Namespace: &c.Namespace, MetricData: []types.MetricDatum{{MetricName: &c.Metric, Dimensions: of, Value: &n, Timestamp: &now}}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// boto reads moto with AWS's own client for Python, which shares nothing with ours,
// and gives what that sees as JSON. One interpreter serves the whole test.
func (s *system) boto(expression string) string {
	s.t.Helper()
	if _, err := io.WriteString(s.python.in, expression+"\n"); err != nil {
		s.t.Fatal(err)
	}
	line, err := s.python.out.ReadString('\n')
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", expression, err, &s.python.complaint)
	}
	return strings.TrimSpace(line)
}

// interpreter prints the value of each line that it reads.
type interpreter struct {
	in        io.WriteCloser
	out       *bufio.Reader
	complaint bytes.Buffer
}

func newInterpreter(t *testing.T, url string) *interpreter {
	t.Helper()
	dir, err := peer.Install(peer.MotoAWS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "bin", "python"), "-u", "-c", `import boto3, functools, json, sys
@functools.cache
def c(name): return boto3.client(name, endpoint_url=sys.argv[1], region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
for line in sys.stdin: print(json.dumps(eval(line), default=str, sort_keys=True))`, url)
	p := &interpreter{}
	cmd.Stderr = &p.complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return p
}
