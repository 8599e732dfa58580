package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// deny adds a statement to a role that takes a permission away. IAM is eventually
// consistent: from when it holds, and until when, its API does not say.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
type deny struct {
	Role, Policy string
	Actions      []string
	Resource     string // ARN

	find func(context.Context, *hand) (role string, err error) // nil: of a journal
	told counter
}

// counter counts bites.
type counter interface {
	count(ctx context.Context, h *hand, from, to time.Time) (int64, error)
	late() time.Duration
}

// document is the policy.
func (d *deny) document() string {
	b, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []object{{"Effect": "Deny", "Action": d.Actions, "Resource": d.Resource}}})
	if err != nil {
		panic("aws: a policy that is no JSON: " + err.Error()) // texts always are
	}
	return string(b)
}

func (d *deny) there(ctx context.Context, h *hand) (bool, error) {
	_, err := h.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &d.Role, PolicyName: &d.Policy})
	if missing(err) {
		return false, nil
	}
	return err == nil, h.explain(err, "look at the policies of role "+d.Role, "iam:GetRolePolicy")
}

func (d *deny) look(ctx context.Context, h *hand) (err error) {
	if d.Role, err = d.find(ctx, h); err != nil {
		return err
	}
	there, err := d.there(ctx, h)
	if there {
		return fmt.Errorf("role %s has the policy %s already: 'ackproof faults undo --stack' removes what an earlier run has left", d.Role, d.Policy)
	}
	if err == nil {
		_, err = d.told.count(ctx, h, h.clock.Now(), h.clock.Now())
	}
	return err
}

func (d *deny) pull(ctx context.Context, h *hand) error {
	document := d.document()
	_, err := h.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &d.Role, PolicyName: &d.Policy, PolicyDocument: &document})
	return h.explain(err, "deny "+strings.Join(d.Actions, ", ")+" to role "+d.Role, "iam:PutRolePolicy")
}

func (d *deny) undo(ctx context.Context, h *hand) error {
	_, err := h.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &d.Role, PolicyName: &d.Policy})
	if missing(err) {
		return nil
	}
	return h.explain(err, "take the policy "+d.Policy+" from role "+d.Role, "iam:DeleteRolePolicy")
}

func (d *deny) undone(ctx context.Context, h *hand) (bool, string, error) {
	there, err := d.there(ctx, h)
	return !there, "denied by policy " + d.Policy, err
}

// see lets the counter look while the denial is in force.
func (d *deny) see(ctx context.Context, h *hand) error {
	if s, ok := d.told.(seer); ok {
		return s.see(ctx, h)
	}
	return nil
}

func (d *deny) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	return d.told.count(ctx, h, from, to)
}

func (d *deny) late() time.Duration { return d.told.late() }

// functionRole finds the role of a function.
func functionRole(function string) func(context.Context, *hand) (string, error) {
	return func(ctx context.Context, h *hand) (string, error) {
		now, err := h.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &function})
		if err != nil {
			return "", h.explain(err, "look at the settings of "+function, "lambda:GetFunctionConfiguration")
		}
		return roleOf(text(now.Role)), nil
	}
}

// integrationRole finds the role with which an API calls what is behind it.
func integrationRole(api string) func(context.Context, *hand) (string, error) {
	return func(ctx context.Context, h *hand) (role string, err error) {
		pages := apigateway.NewGetResourcesPaginator(h.gateway, &apigateway.GetResourcesInput{RestApiId: &api, Embed: []string{"methods"}})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return "", h.explain(err, "look at the methods of the API "+api, "apigateway:GET")
			}
			for _, r := range page.Items {
				for name, m := range r.ResourceMethods {
					if m.MethodIntegration == nil { // it was not embedded
						out, err := h.gateway.GetIntegration(ctx, &apigateway.GetIntegrationInput{RestApiId: &api, ResourceId: r.Id, HttpMethod: &name})
						if err != nil {
							return "", h.explain(err, "look at the integration of the API "+api, "apigateway:GET")
						}
						role = roleOf(text(out.Credentials))
					} else {
						role = roleOf(text(m.MethodIntegration.Credentials))
					}
					if role != "" {
						return role, nil
					}
				}
			}
		}
		return "", fmt.Errorf("the API %s calls DynamoDB with no role of its own: nothing can be denied to it", api)
	}
}

// deniedInLog counts lines of a function's log that name a denial: of whatever the
// handler writes there. The log is found when it is first asked.
type deniedInLog struct {
	function string
	logCounter
}

func (d *deniedInLog) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	if d.Group == "" {
		now, err := h.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &d.function})
		if err != nil {
			return 0, h.explain(err, "look at the settings of "+d.function, "lambda:GetFunctionConfiguration")
		}
		d.logCounter = logOf(now, `"AccessDeniedException"`)
	}
	return d.logCounter.count(ctx, h, from, to)
}

// stuckMapping counts that the mapping tells of a problem, which it does while it has
// it.
type stuckMapping struct {
	source
	stateCounter
}

func (s *stuckMapping) see(ctx context.Context, h *hand) error {
	m, err := s.source.find(ctx, h)
	if err == nil && m != nil && strings.Contains(text(m.LastProcessingResult), "PROBLEM") {
		s.Seen = 1
	}
	return err
}
