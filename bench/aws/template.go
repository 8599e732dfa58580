package aws

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/gateway"
)

// The outputs of the template, by name.
const (
	OutURL          = "ApiUrl"
	OutItems        = "ItemsTable"
	OutResults      = "ResultsTable"
	outStream       = "StreamArn"
	outFunction     = "FunctionName"
	outMapping      = "MappingUuid"
	OutQueue        = "DestinationQueueUrl"
	OutBucket       = "DestinationBucket"
	OutArchitecture = "Architecture"
)

// stageName is the one stage of the API.
const stageName = "run"

// Processor architectures, as Lambda names them.
const (
	ARM64 = "arm64"
	X8664 = "x86_64"
)

// Settings are what a template needs beside the stack.
type Settings struct {
	Arch      string        // of the processor: ARM64 or X8664
	Memory    int           // MB of the function; 0: that of the stack, or 256
	Public    bool          // anybody may call the API; else calls are signed (AWS_IAM)
	Retention int           // days that logs are kept; 0: 7
	Recovery  bool          // both tables have point-in-time recovery, of which exports are made
	Timeout   time.Duration // of the function; 0: that of the stack, in whole seconds
}

type object = map[string]any

// ref, attribute and sub are the intrinsic functions that the template uses.
func ref(id string) any             { return object{"Ref": id} }
func attribute(id, name string) any { return object{"Fn::GetAtt": []string{id, name}} }
func sub(text string) any           { return object{"Fn::Sub": text} }

// Lacks names what of a stack AWS cannot be told, one sentence each.
func Lacks(stack bench.Stack) (lacks []string) {
	lack := func(is bool, format string, args ...any) {
		if is {
			lacks = append(lacks, fmt.Sprintf(format, args...))
		}
	}
	lack(stack.OneTable, "table.oneTable: the template has a results table of its own; leave it out")
	lack(stack.Data != "", "--data and table.durable are of the embedded DynamoDB; leave them out")
	lack(stack.Gateway.Defect != "", "gateway.defect %s: API Gateway has no such defect; leave it out", stack.Gateway.Defect)
	lack(stack.Processor.Timeout > 15*time.Minute, "processor.timeout: Lambda ends a function after 15 minutes")
	for _, kv := range stack.Processor.Env {
		name, _, _ := strings.Cut(kv, "=")
		lack(strings.HasPrefix(name, "AWS_"), "processor.env.%s: Lambda sets it itself", name)
	}
	return lacks
}

// Template makes the template of a stack, as JSON. It has the parameters CodeBucket,
// CodeKey, Owner and Expires.
func Template(stack bench.Stack, s Settings) ([]byte, error) {
	var errs []error
	for _, lack := range Lacks(stack) {
		errs = append(errs, errors.New(lack))
	}
	if !slices.Contains([]string{ARM64, X8664}, s.Arch) {
		errs = append(errs, fmt.Errorf("processor architecture %q: want %s or %s", s.Arch, ARM64, X8664))
	}
	errs = append(errs, gateway.CheckSettings(stack.Gateway)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t := &template{stack: stack, settings: s, resources: object{}, outputs: object{}}
	t.tables()
	t.destination()
	t.function()
	switch stack.Architecture {
	case bench.Streams:
		t.mapping()
	case bench.FireAndForget:
		t.async()
	}
	t.api()
	t.output(OutArchitecture, stack.Architecture)
	return json.MarshalIndent(object{
		"AWSTemplateFormatVersion": "2010-09-09",
		"Description":              "ackproof: an API with the architecture " + stack.Architecture + ", to be loaded and broken on purpose",
		"Parameters": object{
			"CodeBucket": object{"Type": "String", "Description": "S3 bucket with the processor's package"},
			"CodeKey":    object{"Type": "String", "Description": "Key of the processor's package"},
			"Owner":      object{"Type": "String", "Default": "unknown", "Description": "Who answers for this stack; a tag"},
			"Expires":    object{"Type": "String", "Default": "never", "Description": "When nobody needs it any more; a tag"},
		},
		"Resources": t.resources,
		"Outputs":   t.outputs,
	}, "", "  ")
}

// template is one that is being made.
type template struct {
	stack              bench.Stack
	settings           Settings
	resources, outputs object
}

// add adds a resource. Those that can carry tags get the owner and the expiry.
func (t *template) add(id, kind string, properties object, more ...object) {
	switch kind {
	case "AWS::DynamoDB::Table", "AWS::Lambda::Function", "AWS::IAM::Role", "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::Logs::LogGroup", "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage", "AWS::Lambda::EventSourceMapping":
		properties["Tags"] = []object{{"Key": "ackproof:owner", "Value": ref("Owner")}, {"Key": "ackproof:expires", "Value": ref("Expires")}}
	}
	resource := object{"Type": kind, "Properties": properties}
	for _, m := range more {
		for k, v := range m {
			resource[k] = v
		}
	}
	t.resources[id] = resource
}

func (t *template) output(name string, value any) { t.outputs[name] = object{"Value": value} }

// tables adds both tables. What is in them is of tests: they go with the stack.
func (t *template) tables() {
	gone := object{"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
	table := func() object {
		made := object{
			"BillingMode":          "PAY_PER_REQUEST",
			"AttributeDefinitions": []object{{"AttributeName": "id", "AttributeType": "S"}},
			"KeySchema":            []object{{"AttributeName": "id", "KeyType": "HASH"}},
		}
		if t.settings.Recovery {
			made["PointInTimeRecoverySpecification"] = object{"PointInTimeRecoveryEnabled": true}
		}
		return made
	}
	items := table()
	if t.stack.Architecture == bench.Streams {
		items["StreamSpecification"] = object{"StreamViewType": t.stack.ViewType}
		t.output(outStream, attribute("Items", "StreamArn"))
	}
	if t.stack.TimeToLive != "" {
		items["TimeToLiveSpecification"] = object{"AttributeName": t.stack.TimeToLive, "Enabled": true}
	}
	t.add("Items", "AWS::DynamoDB::Table", items, gone)
	t.add("Results", "AWS::DynamoDB::Table", table(), gone)
	t.output(OutItems, ref("Items"))
	t.output(OutResults, ref("Results"))
}

// onFailure is what the scenario asks for: a destination that keeps the event, one
// that does not, or none.
func (t *template) onFailure() string {
	switch t.stack.Architecture {
	case bench.Streams:
		return t.stack.Mapping.OnFailure
	case bench.FireAndForget:
		return t.stack.Async.OnFailure
	}
	return ""
}

// destination adds the on-failure destination. For a stream a bucket is given the
// records and a queue is not; an asynchronous event comes whole to either.
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
func (t *template) destination() {
	gone := object{"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
	switch {
	case t.onFailure() == "":
	case t.bucket():
		t.add("Destination", "AWS::S3::Bucket", object{
			"PublicAccessBlockConfiguration": object{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true},
		}, gone)
		t.output(OutBucket, ref("Destination"))
	default:
		t.add("Destination", "AWS::SQS::Queue", object{"MessageRetentionPeriod": 1209600, "SqsManagedSseEnabled": true}, gone)
		t.output(OutQueue, ref("Destination"))
	}
}

// bucket reports whether the destination is one.
func (t *template) bucket() bool {
	return t.stack.Architecture == bench.Streams && t.onFailure() == "payload"
}

// allow is a statement of a policy.
func allow(resource any, actions ...string) object {
	return object{"Effect": "Allow", "Action": actions, "Resource": resource}
}

// role adds a role that a service may take.
func (t *template) role(id, service string, statements ...object) {
	t.add(id, "AWS::IAM::Role", object{
		"AssumeRolePolicyDocument": object{"Version": "2012-10-17", "Statement": []object{{
			"Effect": "Allow", "Principal": object{"Service": service}, "Action": "sts:AssumeRole",
		}}},
		"Policies": []object{{"PolicyName": "ackproof", "PolicyDocument": object{"Version": "2012-10-17", "Statement": statements}}},
	})
}

// function adds the processor with its log and a role that can do what it must and
// no more.
func (t *template) function() {
	retention := t.settings.Retention
	if retention == 0 {
		retention = 7
	}
	t.add("Log", "AWS::Logs::LogGroup", object{"LogGroupName": sub("/aws/lambda/${AWS::StackName}-processor"), "RetentionInDays": retention},
		object{"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"})
	statements := []object{
		allow(attribute("Log", "Arn"), "logs:CreateLogStream", "logs:PutLogEvents"),
		allow(attribute("Results", "Arn"), "dynamodb:UpdateItem"),
	}
	if t.stack.Architecture == bench.Streams {
		statements = append(statements, allow(attribute("Items", "StreamArn"), "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"))
	} else {
		statements = append(statements, allow(attribute("Items", "Arn"), "dynamodb:PutItem"))
	}
	switch {
	case t.onFailure() == "":
	case t.bucket():
		statements = append(statements, allow(sub("${Destination.Arn}/*"), "s3:PutObject"), allow(attribute("Destination", "Arn"), "s3:ListBucket"))
	default:
		statements = append(statements, allow(attribute("Destination", "Arn"), "sqs:SendMessage"))
	}
	t.role("ProcessorRole", "lambda.amazonaws.com", statements...)
	t.add("Processor", "AWS::Lambda::Function", object{
		"FunctionName":  sub("${AWS::StackName}-processor"),
		"Runtime":       "provided.al2023",
		"Handler":       "bootstrap",
		"Architectures": []string{t.settings.Arch},
		"Code":          object{"S3Bucket": ref("CodeBucket"), "S3Key": ref("CodeKey")},
		"MemorySize":    t.memory(),
		"Timeout":       t.timeout(),
		"Role":          attribute("ProcessorRole", "Arn"),
		"Environment":   object{"Variables": t.environment()},
	}, object{"DependsOn": []string{"Log"}})
	t.output(outFunction, ref("Processor"))
}

func (t *template) memory() int {
	for _, mb := range []int{t.settings.Memory, t.stack.Processor.MemoryMB} {
		if mb > 0 {
			return mb
		}
	}
	return 256
}

// timeout is in whole seconds, upwards.
func (t *template) timeout() int {
	d := t.settings.Timeout
	if d == 0 {
		d = t.stack.Processor.Timeout
	}
	return max(1, int(math.Ceil(d.Seconds())))
}

// environment is what a processor is given.
func (t *template) environment() object {
	vars := object{"ITEMS_TABLE": ref("Items"), "RESULTS_TABLE": ref("Results")}
	if d := t.stack.Processor.Work; d > 0 {
		vars["ACKPROOF_WORK"] = d.String()
	}
	if d := t.stack.Processor.Burn; d > 0 {
		vars["ACKPROOF_BURN"] = d.String()
	}
	if len(t.stack.Mapping.FunctionResponseTypes) > 0 && t.stack.Architecture == bench.Streams {
		vars["ACKPROOF_PARTIAL"] = "true" // the built-in processor reports what failed where the mapping listens
	}
	for _, kv := range t.stack.Processor.Env {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	return vars
}

// mapping adds the event source mapping with every setting of the scenario.
func (t *template) mapping() {
	m := t.stack.Mapping
	p := object{
		"EventSourceArn":                 attribute("Items", "StreamArn"),
		"FunctionName":                   ref("Processor"),
		"BatchSize":                      m.BatchSize,
		"MaximumBatchingWindowInSeconds": m.MaximumBatchingWindowInSeconds,
		"ParallelizationFactor":          m.ParallelizationFactor,
		"MaximumRetryAttempts":           m.MaximumRetryAttempts,
		"MaximumRecordAgeInSeconds":      m.MaximumRecordAgeInSeconds,
		"BisectBatchOnFunctionError":     m.BisectBatchOnFunctionError,
		"StartingPosition":               m.StartingPosition,
		"MetricsConfig":                  object{"Metrics": []string{"EventCount"}},
	}
	if len(m.FunctionResponseTypes) > 0 {
		p["FunctionResponseTypes"] = m.FunctionResponseTypes
	}
	if len(m.FilterCriteria) > 0 {
		filters := []object{}
		for _, pattern := range m.FilterCriteria {
			filters = append(filters, object{"Pattern": pattern})
		}
		p["FilterCriteria"] = object{"Filters": filters}
	}
	if m.TumblingWindowInSeconds > 0 {
		p["TumblingWindowInSeconds"] = m.TumblingWindowInSeconds
	}
	if t.onFailure() != "" {
		p["DestinationConfig"] = t.destinationConfig()
	}
	t.add("Mapping", "AWS::Lambda::EventSourceMapping", p)
	t.output(outMapping, ref("Mapping"))
}

func (t *template) destinationConfig() object {
	return object{"OnFailure": object{"Destination": attribute("Destination", "Arn")}}
}

// async adds the settings of asynchronous invocation.
func (t *template) async() {
	p := object{
		"FunctionName": ref("Processor"), "Qualifier": "$LATEST",
		"MaximumRetryAttempts":     t.stack.Async.MaximumRetryAttempts,
		"MaximumEventAgeInSeconds": t.stack.Async.MaximumEventAgeInSeconds,
	}
	if t.onFailure() != "" {
		p["DestinationConfig"] = t.destinationConfig()
	}
	t.add("AsyncConfig", "AWS::Lambda::EventInvokeConfig", p)
}

// api adds the REST API: one path, POST alone.
func (t *template) api() {
	t.add("Api", "AWS::ApiGateway::RestApi", object{"Name": sub("${AWS::StackName}"), "EndpointConfiguration": object{"Types": []string{"REGIONAL"}}})
	parent := attribute("Api", "RootResourceId")
	resource := any(parent)
	for i, part := range strings.Split(strings.Trim(t.stack.Gateway.Path, "/"), "/") {
		if part == "" {
			continue
		}
		id := "Path" + strconv.Itoa(i+1)
		t.add(id, "AWS::ApiGateway::Resource", object{"RestApiId": ref("Api"), "ParentId": resource, "PathPart": part})
		resource = ref(id)
	}
	authorization := "AWS_IAM"
	if t.settings.Public {
		authorization = "NONE"
	}
	integration, statuses := t.integration()
	method := object{"RestApiId": ref("Api"), "ResourceId": resource, "HttpMethod": "POST", "AuthorizationType": authorization, "Integration": integration}
	if len(statuses) > 0 {
		responses := []object{}
		for _, s := range statuses {
			responses = append(responses, object{"StatusCode": strconv.Itoa(s)})
		}
		method["MethodResponses"] = responses
	}
	t.add("Method", "AWS::ApiGateway::Method", method)
	// A deployment is the API as it was once. Another name makes another one, so that
	// what has changed is deployed.
	text, err := json.Marshal(t.resources)
	if err != nil {
		panic("aws: a template that is no JSON: " + err.Error()) // texts and numbers always are
	}
	snapshot := fmt.Sprintf("Snapshot%X", sha256.Sum256(text))[:16]
	t.add(snapshot, "AWS::ApiGateway::Deployment", object{"RestApiId": ref("Api")}, object{"DependsOn": []string{"Method"}})
	t.add("Stage", "AWS::ApiGateway::Stage", object{
		"RestApiId": ref("Api"), "DeploymentId": ref(snapshot), "StageName": stageName,
		"Variables": object{"itemsTable": ref("Items")},
		"MethodSettings": []object{{
			"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": t.stack.Gateway.Throttle.Rate, "ThrottlingBurstLimit": t.stack.Gateway.Throttle.Burst,
		}},
	})
	t.output(OutURL, sub("https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/"+stageName))
}

// integration is what stands behind the method, and the statuses that the method
// declares.
func (t *template) integration() (object, []int) {
	timeout := int(t.stack.Gateway.IntegrationTimeout / time.Millisecond)
	if timeout == 0 {
		timeout = int(gateway.DefaultIntegrationTimeout / time.Millisecond)
	}
	function := sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Processor.Arn}/invocations")
	switch t.stack.Architecture {
	case bench.Sync:
		t.add("Permission", "AWS::Lambda::Permission", object{
			"FunctionName": ref("Processor"), "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
			"SourceArn": sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"),
		})
		return object{"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "TimeoutInMillis": timeout, "Uri": function}, nil
	case bench.FireAndForget:
		t.role("ApiRole", "apigateway.amazonaws.com", allow(attribute("Processor", "Arn"), "lambda:InvokeFunction"))
		return object{
			"Type": "AWS", "IntegrationHttpMethod": "POST", "TimeoutInMillis": timeout, "Credentials": attribute("ApiRole", "Arn"), "Uri": function,
			"RequestParameters":    object{"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
			"PassthroughBehavior":  gateway.Never,
			"RequestTemplates":     object{"application/json": gateway.EventTemplate},
			"IntegrationResponses": []object{{"StatusCode": "202", "SelectionPattern": "202"}, {"StatusCode": "500"}},
		}, []int{202, 500}
	}
	t.role("ApiRole", "apigateway.amazonaws.com", allow(attribute("Items", "Arn"), "dynamodb:PutItem"))
	i := gateway.IntegrationOf(t.stack.Gateway)
	responses, statuses := []object{}, slices.Clone(i.Statuses)
	for _, r := range i.Responses {
		one := object{"StatusCode": strconv.Itoa(r.Status)}
		if r.Pattern != "" {
			one["SelectionPattern"] = r.Pattern
		}
		if r.Template != "" {
			one["ResponseTemplates"] = object{"application/json": r.Template}
		}
		responses = append(responses, one)
	}
	slices.Sort(statuses)
	integration := object{
		"Type": "AWS", "IntegrationHttpMethod": "POST", "TimeoutInMillis": timeout, "Credentials": attribute("ApiRole", "Arn"),
		"Uri":                  sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:dynamodb:action/PutItem"),
		"PassthroughBehavior":  i.Passthrough,
		"IntegrationResponses": responses,
	}
	if i.Template != gateway.NoTemplate {
		integration["RequestTemplates"] = object{"application/json": i.Template}
	}
	return integration, slices.Compact(statuses)
}
