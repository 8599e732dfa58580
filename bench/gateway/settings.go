package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Limits and defaults of API Gateway REST APIs.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	// MaxBody is the largest request body, in bytes.
	MaxBody = 10 << 20
	// MaxHeaders is how long names and values of all headers may be together, in
	// bytes.
	MaxHeaders = 10_240
	// MinIntegrationTimeout and DefaultIntegrationTimeout bound how long an
	// integration may take. AWS raises the upper one on request.
	MinIntegrationTimeout     = 50 * time.Millisecond
	DefaultIntegrationTimeout = 29 * time.Second
	// DefaultRate (requests per second) and DefaultBurst (requests) are those of
	// an account in a Region.
	DefaultRate  = 10_000
	DefaultBurst = 5_000
)

// The values of bench.Gateway.StatusMapping.
const (
	Mapped    = "mapped"    // a row for each kind of answer, and an error for all that has none
	Naive     = "naive"     // one row, 200, for whatever DynamoDB says
	Responses = "responses" // the rows of bench.Gateway.Responses
)

// The values of bench.Gateway.Passthrough.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
const (
	WhenNoMatch     = "WHEN_NO_MATCH"     // a body of a type without a template goes on as it is; AWS's own default
	WhenNoTemplates = "WHEN_NO_TEMPLATES" // only where there is no template at all
	Never           = "NEVER"             // 415
)

// withDefaults fills in what a scenario leaves open. The API is one that a
// careful engineer set up: where AWS's default loses data (WHEN_NO_MATCH, one
// integration response of 200), the default here is the other one.
func withDefaults(s bench.Gateway) bench.Gateway {
	if s.Template == "" {
		s.Template = DefaultTemplate
	}
	if s.StatusMapping == "" {
		s.StatusMapping = Mapped
		if len(s.Responses) > 0 {
			s.StatusMapping = Responses
		}
	}
	if s.Passthrough == "" {
		s.Passthrough = Never
	}
	if s.IntegrationTimeout == 0 {
		s.IntegrationTimeout = DefaultIntegrationTimeout
	}
	if s.Throttle.Rate == 0 {
		s.Throttle.Rate = DefaultRate
	}
	if s.Throttle.Burst == 0 {
		s.Throttle.Burst = DefaultBurst
	}
	return s
}

// CheckSettings reports everything that is wrong with an API's settings, so
// that a run can be refused before anything is started.
func CheckSettings(s bench.Gateway) (errs []error) {
	s = withDefaults(s)
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p := s.Path; !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#{} ") {
		bad("path %q: want a plain path such as /items; parameters in braces are not modelled yet", p)
	}
	errs = append(errs, Check(s.Template)...)
	if _, err := parseDefect(s.Defect); err != nil {
		errs = append(errs, err)
	}
	if !slices.Contains([]string{Mapped, Naive, Responses}, s.StatusMapping) {
		bad("status mapping %q: want mapped, naive or responses", s.StatusMapping)
	}
	if (s.StatusMapping == Responses) != (len(s.Responses) > 0) {
		bad("status mapping %q with %d responses: list them, with the mapping %q, or none", s.StatusMapping, len(s.Responses), Responses)
	}
	errs = append(errs, checkResponses(s.Responses)...)
	for _, status := range s.MethodResponses {
		if status < 200 || status > 599 {
			bad("method response %d: want a status of 200 to 599", status)
		}
	}
	if !slices.Contains([]string{WhenNoMatch, WhenNoTemplates, Never}, s.Passthrough) {
		bad("passthrough %q: want %s, %s or %s", s.Passthrough, WhenNoMatch, WhenNoTemplates, Never)
	}
	if t := s.IntegrationTimeout; t < MinIntegrationTimeout || t > DefaultIntegrationTimeout {
		bad("integration timeout %v: want %v to %v", t, MinIntegrationTimeout, DefaultIntegrationTimeout)
	}
	if s.Throttle.Rate < 0 || s.Throttle.Burst < 0 {
		bad("throttle of %v a second and bursts of %d: want more than 0", s.Throttle.Rate, s.Throttle.Burst)
	}
	return errs
}

// checkResponses reports what is wrong with a list of integration responses.
func checkResponses(all []bench.IntegrationResponse) (errs []error) {
	statuses, patterns := map[int]bool{}, map[string]bool{}
	for i, ir := range all {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("response %d: %w", i+1, fmt.Errorf(format, args...)))
		}
		if ir.Status < 200 || ir.Status > 599 {
			bad("status %d: want 200 to 599", ir.Status)
		}
		if statuses[ir.Status] {
			bad("status %d is that of an earlier response: a method has one for each status", ir.Status)
		}
		if patterns[ir.Pattern] {
			bad("pattern %q is that of an earlier response; without one it is the default", ir.Pattern)
		}
		statuses[ir.Status], patterns[ir.Pattern] = true, true
		if _, err := regexp.Compile(ir.Pattern); err != nil {
			bad("pattern %q: %w", ir.Pattern, err)
		}
		if ir.Template != "" {
			for _, err := range Check(ir.Template) {
				bad("%w", err)
			}
		}
	}
	return errs
}

// mustParse parses a template that has been checked; nil for none.
func mustParse(src string) *template {
	if src == "" || src == NoTemplate {
		return nil
	}
	t, errs := parseTemplate(src)
	if len(errs) > 0 {
		panic("gateway: a checked template: " + errors.Join(errs...).Error())
	}
	return t
}
