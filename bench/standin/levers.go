package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// levers are the faults with which the system does what a control plane asks for,
// behind those that are armed from the beginning.
var levers = []string{
	leverConcurrency: "at 0s for 24h: invoke.disable", leverMapping: "at 0s for 24h: mapping.disable",
	leverItems: "at 0s for 24h: table.throttle", leverResults: "at 0s for 24h: results.throttle",
}

const (
	leverConcurrency = iota
	leverMapping
	leverItems
	leverResults
)

// pulled is what of the settings is not as the template has it.
type pulled struct {
	reserved *int32       // concurrency; nil: none
	disabled bool         // the event source mapping
	limited  map[int]bool // the writes of a table, by lever
}

// pull does, or takes back, what a lever does to the system that runs.
func (s *stack) pull(lever int, on bool) error {
	if s.target == nil || s.template.of("AWS::Lambda::EventSourceMapping") == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.account.t.Context()), time.Minute)
	defer cancel()
	fault := len(s.account.options.Faults) + lever
	if on {
		return s.target.Begin(ctx, fault)
	}
	return s.target.End(ctx, fault)
}

// throttles is how many invocations of a function, or writes of a table, were refused, as
// CloudWatch tells it; false: it tells nothing of that.
func (s *stack) throttles(metric, of string) (float64, bool) {
	if s.target == nil || s.template.of("AWS::Lambda::EventSourceMapping") == nil {
		return 0, false
	}
	lever, known := map[[2]string]int{
		{"AWS/Lambda Throttles", s.made["Processor"]}:                                       leverConcurrency,
		{"AWS/DynamoDB WriteMaxOnDemandThroughputThrottleEvents", s.endpoints.ItemsTable}:   leverItems,
		{"AWS/DynamoDB WriteMaxOnDemandThroughputThrottleEvents", s.endpoints.ResultsTable}: leverResults,
	}[[2]string{metric, of}]
	if !known {
		return 0, false
	}
	bites, err := s.target.Bites(context.WithoutCancel(s.account.t.Context()))
	if err != nil {
		return 0, false
	}
	return float64(bites[len(s.account.options.Faults)+lever].Bitten), true
}

// serveLambda is as much of Lambda as levers take that it plays: the reserved
// concurrency 0, and the mappings of a function, listed, disabled and enabled.
// https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html
func (a *Account) serveLambda(w http.ResponseWriter, r *http.Request, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")[1:] // behind the version
	switch {
	case len(path) == 3 && path[0] == "functions" && path[2] == "concurrency":
		a.concurrency(w, r, path[1], body)
	case len(path) == 3 && path[0] == "functions" && (path[2] == "configuration" || path[2] == "event-invoke-config"):
		a.functions(w, r, path[1], path[2])
	case len(path) > 0 && path[0] == "event-source-mappings":
		a.mappings(w, r, path[1:], body)
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

// stackOf finds the stack that has made something; nil: none.
func (a *Account) stackOf(kind, physical string) *stack {
	for _, s := range a.stacks {
		for _, id := range s.template.of(kind) {
			if s.made[id] != "" && s.made[id] == physical {
				return s
			}
		}
	}
	return nil
}

func (a *Account) concurrency(w http.ResponseWriter, r *http.Request, function string, body []byte) {
	s := a.stackOf("AWS::Lambda::Function", function)
	if s == nil {
		lambdaError(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+function)
		return
	}
	before := s.levers.reserved
	switch r.Method {
	case http.MethodPut:
		var in struct{ ReservedConcurrentExecutions int32 }
		if err := json.Unmarshal(body, &in); err != nil {
			lambdaError(w, http.StatusBadRequest, "InvalidParameterValueException", err.Error())
			return
		}
		s.levers.reserved = &in.ReservedConcurrentExecutions
	case http.MethodDelete:
		s.levers.reserved = nil
	}
	off := func(n *int32) bool { return n != nil && *n == 0 }
	if off(before) != off(s.levers.reserved) {
		if err := s.pull(leverConcurrency, off(s.levers.reserved)); err != nil {
			lambdaError(w, http.StatusInternalServerError, "ServiceException", err.Error())
			return
		}
	}
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	lambdaAnswer(w, map[string]any{"ReservedConcurrentExecutions": s.levers.reserved})
}

// mapping is what is told of an event source mapping: its settings, and how it is.
func (s *stack) mapping(id string) map[string]any {
	m := s.mappingTold(id)
	m["UUID"], m["FunctionArn"], m["State"] = s.made[id], "arn:aws:lambda:"+Region+":"+ID+":function:"+s.made["Processor"], "Enabled"
	if s.target != nil {
		m["EventSourceArn"] = s.endpoints.StreamARN
	}
	if s.levers.disabled {
		m["State"] = "Disabled"
	}
	return m
}

func (a *Account) mappings(w http.ResponseWriter, r *http.Request, path []string, body []byte) {
	const kind = "AWS::Lambda::EventSourceMapping"
	if r.Method == http.MethodGet && (len(path) == 0 || path[0] == "") {
		out := struct{ EventSourceMappings []map[string]any }{[]map[string]any{}}
		for _, s := range a.stacks {
			for _, id := range s.template.of(kind) {
				if s.made[id] != "" && s.made["Processor"] == r.URL.Query().Get("FunctionName") {
					out.EventSourceMappings = append(out.EventSourceMappings, s.mapping(id))
				}
			}
		}
		lambdaAnswer(w, out)
		return
	}
	var s *stack
	if len(path) == 1 {
		s = a.stackOf(kind, path[0])
	}
	var in struct{ Enabled *bool }
	switch {
	case s == nil:
		lambdaError(w, http.StatusNotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
		return
	case r.Method != http.MethodPut || json.Unmarshal(body, &in) != nil || in.Enabled == nil:
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	if s.levers.disabled == *in.Enabled {
		if err := s.pull(leverMapping, !*in.Enabled); err != nil {
			lambdaError(w, http.StatusInternalServerError, "ServiceException", err.Error())
			return
		}
		s.levers.disabled = !*in.Enabled
	}
	lambdaAnswer(w, s.mapping(s.template.of(kind)[0]))
}

func lambdaAnswer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func lambdaError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", code)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"Message":%q}`, message)
}

// withLevers adds the faults of levers behind the others where there is something to be pulled.
func (s *stack) withLevers(stack *bench.Stack) {
	stack.Faults = append([]string(nil), s.account.options.Faults...)
	if stack.Architecture == bench.Streams {
		stack.Faults = append(stack.Faults, levers...)
	}
}

// Pulled says whether the reserved concurrency of a stack is 0, and whether its mapping
// is disabled.
func (a *Account) Pulled(name string) (stopped, disabled bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.stacks {
		if s.name == name {
			stopped, disabled = s.levers.reserved != nil && *s.levers.reserved == 0, s.levers.disabled
		}
	}
	return stopped, disabled
}
