package standin

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// property is the place of one of a resource.
type property struct{ id, name string }

// Change changes a property of a resource by hand, in CloudFormation's name for it: what
// the control plane tells is so from then on. CloudFormation does not see it, and the
// system that runs is as it was.
func (a *Account) Change(stackName, id, name string, value any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.find(stackName); s != nil {
		s.byHand[property{id, name}] = value
	}
}

// properties are those of a resource, by hand where somebody has changed them so.
func (s *stack) properties(id string) map[string]any {
	p := maps.Clone(s.template.Resources[id].Properties)
	for at, value := range s.byHand {
		if at.id == id {
			p[at.name] = value
		}
	}
	return p
}

// configuration is what Lambda tells of a function.
func (s *stack) configuration(id string) map[string]any {
	p := s.properties(id)
	vars := map[string]string{}
	given, _ := at(p, "Environment", "Variables").(map[string]any)
	for name, v := range given {
		vars[name] = s.value(v)
	}
	return map[string]any{
		"FunctionName": s.made[id], "Runtime": p["Runtime"], "Timeout": p["Timeout"], "MemorySize": p["MemorySize"], "Architectures": p["Architectures"],
		"CodeSha256": s.parameters["CodeKey"], "Environment": map[string]any{"Variables": vars}, "LastUpdateStatus": "Successful",
		"Role": "arn:aws:iam::" + ID + ":role/" + s.made["ProcessorRole"],
	}
}

// functions answers what Lambda is asked of a function.
func (a *Account) functions(w http.ResponseWriter, r *http.Request, function, what string) {
	s := a.stackOf("AWS::Lambda::Function", function)
	switch {
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusNotImplemented)
	case s == nil:
		lambdaError(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+function)
	case what == "configuration":
		lambdaAnswer(w, s.configuration(s.template.of("AWS::Lambda::Function")[0]))
	case len(s.template.of("AWS::Lambda::EventInvokeConfig")) == 0:
		lambdaError(w, http.StatusNotFound, "ResourceNotFoundException", "The function "+function+" doesn't have an EventInvokeConfig")
	default:
		p := s.properties(s.template.of("AWS::Lambda::EventInvokeConfig")[0])
		lambdaAnswer(w, map[string]any{
			"MaximumRetryAttempts": p["MaximumRetryAttempts"], "MaximumEventAgeInSeconds": p["MaximumEventAgeInSeconds"], "DestinationConfig": s.evaluated(p["DestinationConfig"]),
		})
	}
}

// evaluated is a value with its functions and references evaluated.
func (s *stack) evaluated(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = s.evaluated(e)
		}
		return out
	case map[string]any:
		if v["Ref"] != nil || v["Fn::Sub"] != nil || v["Fn::GetAtt"] != nil {
			return s.value(v)
		}
		out := map[string]any{}
		for name, e := range v {
			out[name] = s.evaluated(e)
		}
		return out
	}
	return v
}

// serveGateway is as much of API Gateway's control plane as it takes to look at an API:
// its stage, and its methods with what is behind them.
// https://docs.aws.amazon.com/apigateway/latest/api/API_Operations.html
func (a *Account) serveGateway(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var s *stack
	if len(path) > 2 && path[0] == "restapis" {
		s = a.stackOf("AWS::ApiGateway::RestApi", path[1])
	}
	switch {
	case s == nil || r.Method != http.MethodGet:
		lambdaError(w, http.StatusNotFound, "NotFoundException", "Invalid API identifier specified")
	case path[2] == "stages" && len(path) == 4:
		settings := map[string]any{}
		for _, v := range list(s.properties("Stage")["MethodSettings"]) {
			settings["*/*"] = map[string]any{"throttlingRateLimit": at(v, "ThrottlingRateLimit"), "throttlingBurstLimit": at(v, "ThrottlingBurstLimit")}
		}
		lambdaAnswer(w, map[string]any{"stageName": path[3], "methodSettings": settings})
	case path[2] == "resources" && len(path) == 3:
		lambdaAnswer(w, map[string]any{"item": []any{
			map[string]any{"id": "root", "path": "/"}, // it has no method
			map[string]any{"id": "items", "path": "/items", "resourceMethods": map[string]any{"POST": s.method()}},
		}})
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

// method is the one method of the API.
func (s *stack) method() map[string]any {
	i := at(s.properties("Method"), "Integration")
	responses := map[string]any{}
	for _, v := range list(at(i, "IntegrationResponses")) {
		responses[text(at(v, "StatusCode"))] = map[string]any{
			"statusCode": at(v, "StatusCode"), "selectionPattern": at(v, "SelectionPattern"), "responseTemplates": at(v, "ResponseTemplates"),
		}
	}
	return map[string]any{"httpMethod": "POST", "methodIntegration": map[string]any{
		"type": at(i, "Type"), "timeoutInMillis": at(i, "TimeoutInMillis"), "passthroughBehavior": at(i, "PassthroughBehavior"),
		"requestTemplates": at(i, "RequestTemplates"), "integrationResponses": responses, "credentials": s.evaluated(at(i, "Credentials")),
	}}
}

// mappingTold is what Lambda tells of an event source mapping: its properties are its
// settings, under the same names.
func (s *stack) mappingTold(id string) map[string]any {
	out := map[string]any{}
	p := s.properties(id)
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name != "Tags" && name != "FunctionName" {
			out[name] = s.evaluated(p[name])
		}
	}
	return out
}
