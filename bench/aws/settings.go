package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/gateway"
)

// Setting is one of a system. Where a scenario has a key for it that key is its name,
// such as mapping.batchSize; else it is named in words.
type Setting struct {
	Name  string
	Value any // int, bool, float64, string, []string or time.Duration
}

// Text is the value as a scenario writes it.
func (s Setting) Text() string {
	switch v := s.Value.(type) {
	case []string:
		quoted := make([]string, len(v))
		for i, one := range v {
			quoted[i] = strconv.Quote(one)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case float64: // the only ones are rates
		return strconv.FormatFloat(v, 'f', -1, 64) + "/s"
	}
	return fmt.Sprint(s.Value)
}

// The names of settings that are branched on.
const (
	SettingArchitecture = "architecture"
	SettingResponses    = "gateway.responses"
	SettingTemplate     = "gateway.template"
	SettingEnv          = "processor.env." // and the name of the variable
	settingStatuses     = "gateway.statusMapping"
)

// Values of settings that mean that there is no such thing.
const (
	none    = "none"
	noLimit = -1
)

// SettingsOf are those that a system has when it is made of a stack as the template
// makes it.
func SettingsOf(stack bench.Stack) []Setting {
	t := &template{stack: stack}
	p := stack.Processor
	all := []Setting{
		{SettingArchitecture, stack.Architecture},
		{"processor.timeout", time.Duration(t.timeout()) * time.Second}, {"processor.memory", t.memory()},
		{"processor.work", p.Work}, {"processor.burn", p.Burn},
		{"table.timeToLive", stack.TimeToLive},
		{"gateway.throttle.rate", stack.Gateway.Throttle.Rate}, {"gateway.throttle.burst", stack.Gateway.Throttle.Burst},
	}
	for _, kv := range p.Env {
		name, value, _ := strings.Cut(kv, "=")
		all = append(all, Setting{SettingEnv + name, value})
	}
	timeout := stack.Gateway.IntegrationTimeout
	if timeout == 0 {
		timeout = gateway.DefaultIntegrationTimeout
	}
	all = append(all, Setting{"gateway.integrationTimeout", timeout})
	or := func(text string) string {
		if text == "" {
			return none
		}
		return text
	}
	switch m := stack.Mapping; stack.Architecture {
	case bench.FireAndForget:
		return append(all, Setting{"async.maximumRetryAttempts", stack.Async.MaximumRetryAttempts},
			Setting{"async.maximumEventAgeInSeconds", stack.Async.MaximumEventAgeInSeconds}, Setting{"async.onFailure", or(stack.Async.OnFailure)})
	case bench.Streams:
		i := gateway.IntegrationOf(stack.Gateway)
		all = append(all, integrationSettings(i.Template, i.Passthrough, i.Responses)...)
		return append(all, Setting{"table.streamViewType", stack.ViewType},
			Setting{"mapping.batchSize", m.BatchSize}, Setting{"mapping.maximumBatchingWindowInSeconds", m.MaximumBatchingWindowInSeconds},
			Setting{"mapping.parallelizationFactor", m.ParallelizationFactor}, Setting{"mapping.maximumRetryAttempts", m.MaximumRetryAttempts},
			Setting{"mapping.maximumRecordAgeInSeconds", m.MaximumRecordAgeInSeconds}, Setting{"mapping.bisectBatchOnFunctionError", m.BisectBatchOnFunctionError},
			Setting{"mapping.startingPosition", m.StartingPosition}, Setting{"mapping.functionResponseTypes", append([]string{}, m.FunctionResponseTypes...)},
			Setting{"mapping.filterCriteria", append([]string{}, m.FilterCriteria...)}, Setting{"mapping.tumblingWindowInSeconds", m.TumblingWindowInSeconds},
			Setting{"mapping.onFailure", or(m.OnFailure)})
	}
	return all
}

// integrationSettings are those of the integration in front of the table. One that is as
// a status mapping of ours has it is told by its name.
func integrationSettings(template, passthrough string, responses []bench.IntegrationResponse) []Setting {
	told := func(responses []bench.IntegrationResponse) []string {
		all := []string{}
		for _, r := range responses {
			all = append(all, fmt.Sprintf("%s → %d %s", r.Pattern, r.Status, r.Template))
		}
		slices.Sort(all)
		return all
	}
	mapping, found := "responses", told(responses)
	for _, name := range []string{gateway.Mapped, gateway.Naive} {
		if slices.Equal(found, told(gateway.IntegrationOf(bench.Gateway{StatusMapping: name}).Responses)) {
			mapping = name
		}
	}
	return []Setting{{settingStatuses, mapping}, {SettingResponses, found}, {SettingTemplate, template}, {"gateway.passthroughBehavior", passthrough}}
}

// Settings asks the control plane how a system of an architecture is set. What could not
// be read is said, one error each, and is not among the settings.
func (a *Account) Settings(ctx context.Context, p Parts, architecture string) (found []Setting, unread []error) {
	found = []Setting{{SettingArchitecture, architecture}}
	add := func(more []Setting, err error) {
		found = append(found, more...)
		if err != nil {
			unread = append(unread, err)
		}
	}
	h := &hand{Account: a}
	add(h.functionSettings(ctx, p.Function))
	stream := p.Stream
	for _, table := range []struct{ name, words string }{{p.Items, "items table"}, {p.Results, "results table"}} {
		if table.name == "" {
			continue
		}
		t, err := (&capacity{Table: table.name}).now(ctx, h)
		if err != nil {
			add(nil, err)
			continue
		}
		found = append(found, Setting{table.words + ": billing mode", billing(t)})
		if table.name == p.Items {
			add(h.itemsSettings(ctx, t, architecture))
			if stream == "" {
				stream = text(t.LatestStreamArn)
			}
		}
	}
	switch architecture {
	case bench.Streams:
		add(h.mappingSettings(ctx, source{p.Function, stream}))
	case bench.FireAndForget:
		add(h.asyncSettings(ctx, p.Function))
	}
	add(h.apiSettings(ctx, p, architecture))
	return found, unread
}

// ownVariables are the variables of the function that the template sets by other keys of
// a scenario than processor.env, or of itself.
var ownVariables = []string{"ITEMS_TABLE", "RESULTS_TABLE", "ACKPROOF_WORK", "ACKPROOF_BURN"}

func (h *hand) functionSettings(ctx context.Context, function string) ([]Setting, error) {
	now, err := h.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
	if err != nil {
		return nil, h.explain(err, "look at the settings of "+function, "lambda:GetFunctionConfiguration")
	}
	found := []Setting{
		{"processor.timeout", time.Duration(aws.ToInt32(now.Timeout)) * time.Second}, {"processor.memory", int(aws.ToInt32(now.MemorySize))},
		{"function: runtime", string(now.Runtime)}, {"function: code (SHA-256)", text(now.CodeSha256)},
	}
	if len(now.Architectures) > 0 {
		found = append(found, Setting{"function: architecture", string(now.Architectures[0])})
	}
	vars := map[string]string{}
	if now.Environment != nil {
		vars = now.Environment.Variables
	}
	if vars["RESULTS_TABLE"] != "" { // made by our template, which leaves out what is 0
		work, _ := time.ParseDuration(vars["ACKPROOF_WORK"])
		burn, _ := time.ParseDuration(vars["ACKPROOF_BURN"])
		found = append(found, Setting{"processor.work", work}, Setting{"processor.burn", burn})
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if !slices.Contains(ownVariables, name) {
			found = append(found, Setting{SettingEnv + name, vars[name]})
		}
	}
	reserved, err := (&concurrency{Function: function}).now(ctx, h)
	switch {
	case err != nil:
		return found, err
	case reserved == nil:
		return append(found, Setting{"function: reserved concurrency", none}), nil
	}
	return append(found, Setting{"function: reserved concurrency", int(*reserved)}), nil
}

func billing(t *types.TableDescription) string {
	if b := t.BillingModeSummary; b != nil {
		return string(b.BillingMode)
	}
	return string(types.BillingModeProvisioned) // DynamoDB names it only once it was another
}

func (h *hand) itemsSettings(ctx context.Context, t *types.TableDescription, architecture string) (found []Setting, err error) {
	if s := t.StreamSpecification; architecture == bench.Streams && s != nil {
		found = append(found, Setting{"table.streamViewType", string(s.StreamViewType)})
	}
	out, err := h.tables.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: t.TableName})
	if err != nil {
		return found, h.explain(err, "look at the time to live of table "+text(t.TableName), "dynamodb:DescribeTimeToLive")
	}
	attribute := ""
	if d := out.TimeToLiveDescription; d != nil && (d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling) {
		attribute = text(d.AttributeName)
	}
	return append(found, Setting{"table.timeToLive", attribute}), nil
}

// limit is a setting that AWS leaves out where there is no limit.
func limit(n *int32, or int) int {
	if n == nil {
		return or
	}
	return int(*n)
}

func (h *hand) mappingSettings(ctx context.Context, s source) ([]Setting, error) {
	m, err := s.find(ctx, h)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fmt.Errorf("function %s has no event source mapping of %s", s.Function, s.Stream)
	}
	responses, filters := []string{}, []string{}
	for _, r := range m.FunctionResponseTypes {
		responses = append(responses, string(r))
	}
	if m.FilterCriteria != nil {
		for _, f := range m.FilterCriteria.Filters {
			filters = append(filters, text(f.Pattern))
		}
	}
	return []Setting{
		{"mapping.batchSize", limit(m.BatchSize, 100)}, {"mapping.maximumBatchingWindowInSeconds", limit(m.MaximumBatchingWindowInSeconds, 0)},
		{"mapping.parallelizationFactor", limit(m.ParallelizationFactor, 1)}, {"mapping.maximumRetryAttempts", limit(m.MaximumRetryAttempts, noLimit)},
		{"mapping.maximumRecordAgeInSeconds", limit(m.MaximumRecordAgeInSeconds, noLimit)}, {"mapping.bisectBatchOnFunctionError", aws.ToBool(m.BisectBatchOnFunctionError)},
		{"mapping.startingPosition", string(m.StartingPosition)}, {"mapping.functionResponseTypes", responses}, {"mapping.filterCriteria", filters},
		{"mapping.tumblingWindowInSeconds", limit(m.TumblingWindowInSeconds, 0)}, {"mapping.onFailure", destinationKind(m.DestinationConfig)},
		{"mapping: state", text(m.State)},
	}, nil
}

// destinationKind is what the on-failure destination of a stream is given: a bucket the
// records, a queue or a topic what they are.
func destinationKind(d *lambdatypes.DestinationConfig) string {
	if d == nil || d.OnFailure == nil || text(d.OnFailure.Destination) == "" {
		return none
	}
	if strings.Contains(*d.OnFailure.Destination, ":s3:") {
		return "payload"
	}
	return "metadata"
}

func (h *hand) asyncSettings(ctx context.Context, function string) ([]Setting, error) {
	out, err := h.lambda.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: &function, Qualifier: aws.String("$LATEST")})
	if missing(err) { // Lambda's own
		out, err = &lambda.GetFunctionEventInvokeConfigOutput{}, nil
	}
	if err != nil {
		return nil, h.explain(err, "look at how "+function+" is invoked asynchronously", "lambda:GetFunctionEventInvokeConfig")
	}
	kind := destinationKind(out.DestinationConfig)
	if kind != none {
		kind = "payload" // whatever it is, it is given the event
	}
	return []Setting{
		{"async.maximumRetryAttempts", limit(out.MaximumRetryAttempts, 2)}, {"async.maximumEventAgeInSeconds", limit(out.MaximumEventAgeInSeconds, 21600)}, {"async.onFailure", kind},
	}, nil
}

// errNoAPI says that nobody knows which REST API of API Gateway it is.
var errNoAPI = errors.New("the API's settings are not read: its URL is none of API Gateway's, and no stack names it")

// apiSettings reads the method that takes requests, and the limits of the stage.
func (h *hand) apiSettings(ctx context.Context, p Parts, architecture string) ([]Setting, error) {
	api, err := h.findAPI(ctx, p)
	if err != nil {
		return nil, err
	}
	stage, err := h.gateway.GetStage(ctx, &apigateway.GetStageInput{RestApiId: &api, StageName: &p.Stage})
	if err != nil {
		return nil, h.explain(err, "look at the stage of the API "+api, "apigateway:GET")
	}
	var found []Setting
	if limits, ok := stage.MethodSettings["*/*"]; ok {
		found = append(found, Setting{"gateway.throttle.rate", limits.ThrottlingRateLimit}, Setting{"gateway.throttle.burst", int(limits.ThrottlingBurstLimit)})
	}
	pages := apigateway.NewGetResourcesPaginator(h.gateway, &apigateway.GetResourcesInput{RestApiId: &api, Embed: []string{"methods"}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return found, h.explain(err, "look at the methods of the API "+api, "apigateway:GET")
		}
		for _, r := range page.Items {
			if i := r.ResourceMethods["POST"].MethodIntegration; i != nil {
				return append(found, methodSettings(i, architecture)...), nil
			}
		}
	}
	return found, fmt.Errorf("the API %s has no method POST", api)
}

// methodSettings are those of the integration behind a method.
func methodSettings(i *gatewaytypes.Integration, architecture string) []Setting {
	found := []Setting{{"gateway.integrationTimeout", time.Duration(i.TimeoutInMillis) * time.Millisecond}}
	if architecture != bench.Streams {
		return found
	}
	var responses []bench.IntegrationResponse
	for _, r := range i.IntegrationResponses {
		status, _ := strconv.Atoi(text(r.StatusCode))
		responses = append(responses, bench.IntegrationResponse{Pattern: text(r.SelectionPattern), Status: status, Template: r.ResponseTemplates["application/json"]})
	}
	mapping, ok := i.RequestTemplates["application/json"]
	if !ok {
		mapping = gateway.NoTemplate
	}
	return append(found, integrationSettings(mapping, text(i.PassthroughBehavior), responses)...)
}

// findAPI finds the id of the REST API: by its URL, or among what a stack has.
func (h *hand) findAPI(ctx context.Context, p Parts) (string, error) {
	if p.API != "" {
		return p.API, nil
	}
	if p.Stack == "" || p.Stage == "" {
		return "", errNoAPI
	}
	out, err := h.formation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &p.Stack})
	if notThere(err) == nil && err != nil {
		return "", errNoAPI
	}
	if err != nil {
		return "", h.explain(err, "list the resources of stack "+p.Stack, "cloudformation:DescribeStackResources")
	}
	for _, r := range out.StackResources {
		if text(r.ResourceType) == "AWS::ApiGateway::RestApi" && text(r.PhysicalResourceId) != "" {
			return *r.PhysicalResourceId, nil
		}
	}
	return "", errNoAPI
}
