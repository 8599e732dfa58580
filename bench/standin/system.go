package standin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// template is what CloudFormation is given.
type template struct {
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
}

type resource struct {
	Type       string
	Properties map[string]any
	DependsOn  []string
}

// templateError is what CloudFormation says of a template that it cannot read.
type templateError string

func (e templateError) Error() string { return "Template format error: " + string(e) }

func parseTemplate(text string) (t template, err error) {
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return t, templateError(err.Error())
	}
	if len(t.Resources) == 0 {
		return t, templateError("At least one Resources member must be defined.")
	}
	for id, r := range t.Resources {
		for _, other := range needs(r) {
			if _, ok := t.Resources[other]; !ok {
				return t, templateError(fmt.Sprintf("Unresolved resource dependency %s of %s", other, id))
			}
		}
	}
	return t, nil
}

// parameters that every template of ackproof's has, and pseudo parameters, name no
// resource.
func isParameter(name string) bool {
	return strings.HasPrefix(name, "AWS::") || slices.Contains([]string{"CodeBucket", "CodeKey", "Owner", "Expires"}, name)
}

// needs lists the resources that a resource refers to.
func needs(r resource) []string {
	all := slices.Clone(r.DependsOn)
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for name, e := range v {
				switch name {
				case "Ref":
					all = append(all, fmt.Sprint(e))
				case "Fn::GetAtt":
					all = append(all, fmt.Sprint(e.([]any)[0]))
				case "Fn::Sub":
					all = append(all, substitutions(fmt.Sprint(e))...)
				default:
					walk(e)
				}
			}
		}
	}
	walk(map[string]any(r.Properties))
	all = slices.DeleteFunc(all, isParameter)
	slices.Sort(all)
	return slices.Compact(all)
}

// substitutions are the names in a text of Fn::Sub, without their attributes.
func substitutions(text string) (names []string) {
	for {
		_, rest, ok := strings.Cut(text, "${")
		if !ok {
			return names
		}
		name, after, _ := strings.Cut(rest, "}")
		name, _, _ = strings.Cut(name, ".")
		names, text = append(names, name), after
	}
}

// order lists the resources so that each comes behind what it needs.
func (t template) order() (ids []string) {
	left := slices.Sorted(maps.Keys(t.Resources))
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(id string) bool {
			return !slices.ContainsFunc(needs(t.Resources[id]), func(n string) bool { return !slices.Contains(ids, n) })
		})
		if i < 0 {
			return append(ids, left...) // a circle, which AWS refuses and cfn-lint finds
		}
		ids, left = append(ids, left[i]), slices.Delete(left, i, i+1)
	}
	return ids
}

// of lists the resources of a type by their ids.
func (t template) of(kind string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(t.Resources)), func(id string) bool { return t.Resources[id].Type != kind })
}

// reader reads properties, and remembers the first that it cannot read.
type reader struct{ err error }

// at follows names into nested maps; nil: nothing is there.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (r *reader) number(v any, or float64) float64 {
	n, ok := v.(float64)
	if v != nil && !ok && r.err == nil {
		r.err = fmt.Errorf("%v is no number", v)
	}
	if !ok {
		return or
	}
	return n
}

func (r *reader) int(v any, or int) int { return int(r.number(v, float64(or))) }

func text(v any) string {
	s, _ := v.(string)
	return s
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// system is what the resources describe, as far as the local target can be told. The
// values that are AWS's own and no settings are those of package eventsource.
func (t template) system() (stack bench.Stack, public bool, err error) {
	var r reader
	method := t.Resources["Method"].Properties
	integration := at(method, "Integration")
	stack = bench.Stack{Architecture: bench.FireAndForget, Shards: 2}
	switch mappings := t.of("AWS::Lambda::EventSourceMapping"); {
	case len(mappings) > 0:
		stack.Architecture = bench.Streams
		stack.Mapping = r.mapping(t, t.Resources[mappings[0]].Properties)
	case text(at(integration, "Type")) == "AWS_PROXY":
		stack.Architecture = bench.Sync
	}
	items := t.Resources["Items"].Properties
	stack.ViewType = text(at(items, "StreamSpecification", "StreamViewType"))
	if ttl := at(items, "TimeToLiveSpecification"); ttl != nil {
		stack.TimeToLive = text(at(ttl, "AttributeName"))
	}
	stack.Processor = r.processor(t.Resources["Processor"].Properties)
	stack.Async = r.async(t)
	stack.Gateway = r.gateway(t, method)
	return stack, text(method["AuthorizationType"]) == "NONE", r.err
}

func (r *reader) processor(p map[string]any) bench.Processor {
	out := bench.Processor{
		Timeout: time.Duration(r.int(p["Timeout"], 3)) * time.Second, Concurrency: 4, MemoryMB: r.int(p["MemorySize"], 128),
	}
	vars, _ := at(p, "Environment", "Variables").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if value, ok := vars[name].(string); ok { // the others refer to tables, whose names the target gives
			out.Env = append(out.Env, name+"="+value)
		}
	}
	return out
}

// destination is the kind of the on-failure destination that properties name: a
// bucket is given the records and a queue is not.
func (t template) destination(p map[string]any, queue string) string {
	arn := at(p, "DestinationConfig", "OnFailure", "Destination")
	if arn == nil {
		return ""
	}
	if parts := list(at(arn, "Fn::GetAtt")); len(parts) == 2 && t.Resources[text(parts[0])].Type == "AWS::S3::Bucket" {
		return "payload"
	}
	return queue
}

func (r *reader) mapping(t template, p map[string]any) bench.Mapping {
	m := bench.Mapping{
		BatchSize:                      r.int(p["BatchSize"], 100),
		MaximumBatchingWindowInSeconds: r.int(p["MaximumBatchingWindowInSeconds"], 0),
		ParallelizationFactor:          r.int(p["ParallelizationFactor"], 1),
		MaximumRetryAttempts:           r.int(p["MaximumRetryAttempts"], -1),
		MaximumRecordAgeInSeconds:      r.int(p["MaximumRecordAgeInSeconds"], -1),
		BisectBatchOnFunctionError:     p["BisectBatchOnFunctionError"] == true,
		StartingPosition:               text(p["StartingPosition"]),
		TumblingWindowInSeconds:        r.int(p["TumblingWindowInSeconds"], 0),
		OnFailure:                      t.destination(p, "metadata"),
		PollInterval:                   100 * time.Millisecond, RetryBase: 100 * time.Millisecond, RetryCap: time.Second,
	}
	for _, v := range list(p["FunctionResponseTypes"]) {
		m.FunctionResponseTypes = append(m.FunctionResponseTypes, text(v))
	}
	for _, v := range list(at(p, "FilterCriteria", "Filters")) {
		m.FilterCriteria = append(m.FilterCriteria, text(at(v, "Pattern")))
	}
	return m
}

func (r *reader) async(t template) bench.Async {
	a := bench.Async{MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 21600, RetryDelays: []time.Duration{100 * time.Millisecond, 200 * time.Millisecond}}
	for _, id := range t.of("AWS::Lambda::EventInvokeConfig") {
		p := t.Resources[id].Properties
		a.MaximumRetryAttempts = r.int(p["MaximumRetryAttempts"], 2)
		a.MaximumEventAgeInSeconds = r.int(p["MaximumEventAgeInSeconds"], 21600)
		a.OnFailure = t.destination(p, "payload")
	}
	return a
}

// gateway reads the API: the path of its method, and what stands behind it.
func (r *reader) gateway(t template, method map[string]any) bench.Gateway {
	g := bench.Gateway{Passthrough: text(at(method, "Integration", "PassthroughBehavior")), StatusMapping: "responses"}
	for id := text(at(method, "ResourceId", "Ref")); id != ""; id = text(at(t.Resources[id].Properties, "ParentId", "Ref")) {
		g.Path = "/" + text(t.Resources[id].Properties["PathPart"]) + g.Path
	}
	if g.Path == "" {
		g.Path = "/"
	}
	integration := at(method, "Integration")
	g.IntegrationTimeout = time.Duration(r.int(at(integration, "TimeoutInMillis"), 29_000)) * time.Millisecond
	for _, v := range list(at(t.Resources["Stage"].Properties, "MethodSettings")) {
		g.Throttle = bench.Throttle{Rate: r.number(at(v, "ThrottlingRateLimit"), 0), Burst: r.int(at(v, "ThrottlingBurstLimit"), 0)}
	}
	if uri := text(at(integration, "Uri", "Fn::Sub")); !strings.HasSuffix(uri, ":dynamodb:action/PutItem") {
		g.StatusMapping, g.Passthrough = "", "" // a function is behind: these mean nothing to the local gateway
		return g
	}
	if g.Template = text(at(integration, "RequestTemplates", "application/json")); g.Template == "" {
		g.Template = "none"
	}
	for _, v := range list(at(integration, "IntegrationResponses")) {
		status, err := strconv.Atoi(text(at(v, "StatusCode")))
		if err != nil && r.err == nil {
			r.err = err
		}
		g.Responses = append(g.Responses, bench.IntegrationResponse{
			Pattern: text(at(v, "SelectionPattern")), Status: status, Template: text(at(v, "ResponseTemplates", "application/json")),
		})
	}
	for _, v := range list(method["MethodResponses"]) {
		if status, err := strconv.Atoi(text(at(v, "StatusCode"))); err == nil {
			g.MethodResponses = append(g.MethodResponses, status)
		}
	}
	return g
}
