package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"
)

const (
	// lookAgain lies between two looks at what AWS is doing.
	lookAgain = 2 * time.Second
	// cleanTimeout bounds the clean-up after a failure.
	cleanTimeout = 15 * time.Minute
)

// Deployment is a stack as it is to be.
type Deployment struct {
	Name           string // of the stack
	Template, Code []byte
	Owner, Expires string        // tags
	Poll           time.Duration // between two looks; 0: two seconds
}

// Change is what a deployment would do. Apply carries it out, Discard leaves
// everything as it was.
type Change struct {
	Lines []string // one for each resource: what becomes of it; none: nothing changes
	New   bool     // there is no such stack yet

	account *Account
	of      Deployment
	set     string // ARN of the change set
}

// Step is something that happened to a resource of a stack.
type Step struct {
	At                             time.Time
	Resource, Type, Status, Reason string
}

// Plan makes a change set and tells what is in it. Nothing is made yet, but for the
// name of a new stack.
func (a *Account) Plan(ctx context.Context, d Deployment) (*Change, error) {
	if d.Poll == 0 {
		d.Poll = lookAgain
	}
	c := &Change{account: a, of: d}
	now, err := a.describe(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	kind := types.ChangeSetTypeUpdate
	if now == nil || now.StackStatus == types.StackStatusReviewInProgress {
		kind, c.New = types.ChangeSetTypeCreate, true
	}
	parameters := []types.Parameter{}
	for _, kv := range [][2]string{{"CodeBucket", a.codeBucket()}, {"CodeKey", codeKey(d.Name, d.Code)}, {"Owner", d.Owner}, {"Expires", d.Expires}} {
		parameters = append(parameters, types.Parameter{ParameterKey: aws.String(kv[0]), ParameterValue: aws.String(kv[1])})
	}
	made, err := a.formation.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: &d.Name, ChangeSetName: aws.String("ackproof"), ChangeSetType: kind, TemplateBody: aws.String(string(d.Template)),
		Parameters: parameters, Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		Tags: []types.Tag{{Key: aws.String("ackproof:owner"), Value: &d.Owner}, {Key: aws.String("ackproof:expires"), Value: &d.Expires}},
	})
	if err != nil {
		return nil, fmt.Errorf("plan stack %s: %w", d.Name, err)
	}
	c.set = aws.ToString(made.Id)
	for {
		set, err := a.formation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &c.set, StackName: &d.Name})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("plan stack %s: %w", d.Name, err), c.Discard(context.WithoutCancel(ctx)))
		}
		reason := aws.ToString(set.StatusReason)
		switch {
		case set.Status == types.ChangeSetStatusCreateComplete:
			for _, ch := range set.Changes {
				c.Lines = append(c.Lines, line(ch.ResourceChange))
			}
			slices.Sort(c.Lines)
			return c, nil
		case set.Status == types.ChangeSetStatusFailed && (strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates")):
			return c, c.Discard(ctx)
		case set.Status == types.ChangeSetStatusFailed:
			return nil, errors.Join(fmt.Errorf("plan stack %s: %s", d.Name, reason), c.Discard(context.WithoutCancel(ctx)))
		case !pause(ctx, d.Poll):
			return nil, errors.Join(ctx.Err(), c.Discard(context.WithoutCancel(ctx)))
		}
	}
}

// line tells what becomes of one resource.
func line(c *types.ResourceChange) string {
	if c == nil {
		return "something that is no resource"
	}
	text := fmt.Sprintf("%-8s %-14s %s", strings.ToLower(string(c.Action)), aws.ToString(c.LogicalResourceId), aws.ToString(c.ResourceType))
	if c.Replacement == types.ReplacementTrue || c.Replacement == types.ReplacementConditional {
		text += ", replaced: what is in it is lost"
	}
	return text
}

// Discard takes the plan back.
func (c *Change) Discard(ctx context.Context) error {
	a := c.account
	_, err := a.formation.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: &c.set, StackName: &c.of.Name})
	if err = notThere(err); err == nil && c.New {
		_, err = a.formation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &c.of.Name})
		err = notThere(err)
	}
	if err != nil {
		return fmt.Errorf("take back the plan of stack %s: %w", c.of.Name, err)
	}
	return nil
}

// Apply carries the plan out. Progress is told of every step. A new stack that
// cannot be made is removed, with all that it had.
func (c *Change) Apply(ctx context.Context, progress func(Step)) (map[string]string, error) {
	a, name := c.account, c.of.Name
	err := a.upload(ctx, name, c.of.Code)
	if err == nil {
		_, err = a.formation.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: &c.set, StackName: &name})
	}
	if err == nil {
		err = a.follow(ctx, name, c.of.Poll, progress)
	}
	if err != nil && c.New {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("deploy stack %s: %w; what there was of it is removed", name, err), a.Destroy(clean, name, c.of.Poll, progress))
	}
	if err != nil {
		return nil, fmt.Errorf("deploy stack %s: %w", name, err)
	}
	return a.Outputs(ctx, name)
}

// follow tells of the steps of a stack until it has come to rest.
func (a *Account) follow(ctx context.Context, name string, poll time.Duration, progress func(Step)) error {
	seen, failed := map[string]bool{}, ""
	for {
		now, err := a.describe(ctx, name)
		if err != nil {
			return err
		}
		if now == nil {
			return nil // deleted
		}
		// By its id a stack can be asked for also when it is gone.
		out, err := a.formation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: now.StackId})
		if err != nil {
			return err
		}
		for _, e := range slices.Backward(out.StackEvents) {
			id := aws.ToString(e.EventId)
			if seen[id] {
				continue
			}
			seen[id] = true
			s := Step{At: aws.ToTime(e.Timestamp), Resource: aws.ToString(e.LogicalResourceId), Type: aws.ToString(e.ResourceType), Status: string(e.ResourceStatus), Reason: aws.ToString(e.ResourceStatusReason)}
			if strings.HasSuffix(s.Status, "_FAILED") && failed == "" {
				failed = s.Resource + ": " + s.Reason
			}
			progress(s)
		}
		switch status := string(now.StackStatus); {
		case strings.HasSuffix(status, "_FAILED"), strings.Contains(status, "ROLLBACK") && !strings.HasSuffix(status, "_IN_PROGRESS"):
			if failed == "" {
				failed = aws.ToString(now.StackStatusReason)
			}
			return fmt.Errorf("it is %s (%s)", status, failed)
		case strings.HasSuffix(status, "_COMPLETE"):
			return nil
		}
		if !pause(ctx, poll) {
			return ctx.Err()
		}
	}
}

// Destroy removes a stack with everything in it: items, results, dead letters, logs
// and the processor's package. One that is not there is removed.
func (a *Account) Destroy(ctx context.Context, name string, poll time.Duration, progress func(Step)) error {
	if poll == 0 {
		poll = lookAgain
	}
	now, err := a.describe(ctx, name)
	if err != nil {
		return err
	}
	var errs []error
	if now != nil {
		// A policy of a fault would keep the role, a mapping that was made anew would stay.
		errs = append(errs, a.UndoFaults(ctx, name, func(OpenFault) {}), a.removeStrays(ctx, name))
		if err := a.emptyBuckets(ctx, name); err != nil {
			errs = append(errs, err)
		}
		_, err := a.formation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &name})
		if err == nil {
			err = a.follow(ctx, name, poll, progress)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("destroy stack %s: %w", name, err))
		}
	}
	return errors.Join(append(errs, a.removeCode(ctx, name))...)
}

// emptyBuckets empties the buckets of a stack: one with something in it is not
// deleted. A stack that was not made to its end has no outputs, but it has resources.
func (a *Account) emptyBuckets(ctx context.Context, name string) error {
	out, err := a.formation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &name})
	if err != nil {
		return fmt.Errorf("list the resources of stack %s: %w", name, err)
	}
	var errs []error
	for _, r := range out.StackResources {
		if bucket := aws.ToString(r.PhysicalResourceId); bucket != "" && aws.ToString(r.ResourceType) == "AWS::S3::Bucket" {
			errs = append(errs, a.empty(ctx, bucket, ""))
		}
	}
	return errors.Join(errs...)
}

// ErrNoStack says that there is no stack of that name.
var ErrNoStack = errors.New("there is no such stack")

// Status is how a stack is.
type Status struct {
	Name, Status, Owner, Expires string
	Created                      time.Time
	Outputs                      map[string]string
}

// Status looks at a stack.
func (a *Account) Status(ctx context.Context, name string) (*Status, error) {
	now, err := a.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	if now == nil {
		return nil, fmt.Errorf("stack %s in %s: %w; 'ackproof deploy' makes one", name, a, ErrNoStack)
	}
	s := &Status{Name: name, Status: string(now.StackStatus), Created: aws.ToTime(now.CreationTime), Outputs: map[string]string{}}
	for _, o := range now.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, t := range now.Tags {
		switch aws.ToString(t.Key) {
		case "ackproof:owner":
			s.Owner = aws.ToString(t.Value)
		case "ackproof:expires":
			s.Expires = aws.ToString(t.Value)
		}
	}
	return s, nil
}

// Outputs gives the outputs of a stack by name.
func (a *Account) Outputs(ctx context.Context, name string) (map[string]string, error) {
	s, err := a.Status(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.Outputs, nil
}

// describe finds a stack; nil: there is none.
func (a *Account) describe(ctx context.Context, name string) (*types.Stack, error) {
	out, err := a.formation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		if notThere(err) == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("look at stack %s in %s: %w", name, a, err)
	}
	if len(out.Stacks) == 0 || out.Stacks[0].StackStatus == types.StackStatusDeleteComplete {
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// notThere takes away the error that says that a stack or change set does not exist.
func notThere(err error) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok && (strings.Contains(e.ErrorMessage(), "does not exist") || e.ErrorCode() == "ChangeSetNotFound") {
		return nil
	}
	return err
}

// pause waits; false: ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
