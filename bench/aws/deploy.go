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

// cleanTimeout bounds the clean-up after a failure.
const cleanTimeout = 15 * time.Minute

// Deployment is a stack as it is to be.
type Deployment struct {
	Name           string // of the stack
	Template, Code []byte
	Owner, Expires string        // tags
	Poll           time.Duration // between two looks; 0: as [looks] has it
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
	c := &Change{account: a, of: d}
	now, err := a.describe(ctx, d.Name)
	if err == nil {
		err = a.ours(now, d.Name)
	}
	if err != nil {
		return nil, err
	}
	kind := types.ChangeSetTypeUpdate
	switch {
	case now == nil || now.StackStatus == types.StackStatusReviewInProgress:
		kind, c.New = types.ChangeSetTypeCreate, true
	case !canUpdate(now.StackStatus):
		return nil, fmt.Errorf("stack %s is %s and cannot be changed; 'ackproof destroy --stack %s' removes it, or wait until AWS has done with it", d.Name, now.StackStatus, d.Name)
	}
	parameters := []types.Parameter{}
	for _, kv := range [][2]string{{"CodeBucket", a.codeBucket()}, {"CodeKey", codeKey(d.Name, d.Code)}, {"Owner", d.Owner}, {"Expires", d.Expires}} {
		parameters = append(parameters, types.Parameter{ParameterKey: aws.String(kv[0]), ParameterValue: aws.String(kv[1])})
	}
	made, err := a.createChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: &d.Name, ChangeSetName: aws.String("ackproof"), ChangeSetType: kind, TemplateBody: aws.String(string(d.Template)),
		Parameters: parameters, Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		Tags: []types.Tag{{Key: aws.String(tagOwner), Value: &d.Owner}, {Key: aws.String(tagExpires), Value: &d.Expires}},
	})
	if err != nil {
		return nil, fmt.Errorf("plan stack %s: %w", d.Name, err)
	}
	c.set = aws.ToString(made.Id)
	for again := newLooks(d.Poll); ; {
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
		case !again.pause(ctx):
			return nil, errors.Join(ctx.Err(), c.Discard(context.WithoutCancel(ctx)))
		}
	}
}

// createChangeSet makes a change set. One of the same name that a killed deployment
// has left is taken away.
func (a *Account) createChangeSet(ctx context.Context, in *cloudformation.CreateChangeSetInput) (*cloudformation.CreateChangeSetOutput, error) {
	out, err := a.formation.CreateChangeSet(ctx, in)
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() == "AlreadyExistsException" {
		if _, err := a.formation.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: in.ChangeSetName, StackName: in.StackName}); err != nil {
			return nil, err
		}
		out, err = a.formation.CreateChangeSet(ctx, in)
	}
	return out, err
}

// canUpdate reports whether a stack can be changed.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
func canUpdate(s types.StackStatus) bool {
	return slices.Contains([]types.StackStatus{
		types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusUpdateRollbackComplete,
		types.StackStatusImportComplete, types.StackStatusImportRollbackComplete,
	}, s)
}

// The tags of a stack of ackproof's.
const (
	tagOwner   = "ackproof:owner"
	tagExpires = "ackproof:expires"
)

// ours says that a stack is not one of ackproof's: nothing is changed or removed that
// somebody else has made. A stack of which there is no more than a plan has no tags.
func (a *Account) ours(s *types.Stack, name string) error {
	if s == nil || s.StackStatus == types.StackStatusReviewInProgress || slices.ContainsFunc(s.Tags, func(t types.Tag) bool { return aws.ToString(t.Key) == tagOwner }) {
		return nil
	}
	return fmt.Errorf("stack %s in %s was not made by 'ackproof deploy' (it has no tag %s), and is left alone; name another with --stack", name, a, tagOwner)
}

// line tells what becomes of one resource.
func line(c *types.ResourceChange) string {
	if c == nil {
		return "something that is no resource"
	}
	text := fmt.Sprintf("%-8s %-16s %s", strings.ToLower(string(c.Action)), aws.ToString(c.LogicalResourceId), aws.ToString(c.ResourceType))
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
	err := c.carryOut(ctx, progress)
	switch {
	case err == nil:
		return a.Outputs(ctx, name)
	case !c.New && ctx.Err() != nil:
		return nil, fmt.Errorf("deploy stack %s: %w; CloudFormation goes on with it, and 'ackproof status --stack %s' says how it is", name, err, name)
	case !c.New:
		return nil, fmt.Errorf("deploy stack %s: %w", name, err)
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	if left := a.Destroy(clean, name, c.of.Poll, progress); left != nil {
		return nil, errors.Join(fmt.Errorf("deploy stack %s: %w", name, err), fmt.Errorf("what there is of it is not all removed: %w; 'ackproof destroy --stack %s' tries again", left, name))
	}
	return nil, fmt.Errorf("deploy stack %s: %w; what there was of it is removed", name, err)
}

func (c *Change) carryOut(ctx context.Context, progress func(Step)) error {
	a, name := c.account, c.of.Name
	if err := a.upload(ctx, name, c.of.Code); err != nil {
		return err
	}
	o, err := a.beginOn(ctx, name)
	if err != nil {
		return err
	}
	if _, err := a.formation.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: &c.set, StackName: &name}); err != nil {
		return err
	}
	return o.follow(ctx, c.of.Poll, progress)
}

// Destroy removes a stack with everything in it: items, results, dead letters, logs
// and the processor's package. One that is not there is removed. A bucket into which
// a last dead letter came while the stack was deleted is emptied once more.
func (a *Account) Destroy(ctx context.Context, name string, poll time.Duration, progress func(Step)) error {
	now, err := a.describe(ctx, name)
	if err == nil {
		err = a.ours(now, name)
	}
	if err != nil {
		return err
	}
	var before error
	if now != nil { // a policy of a fault would keep the role, a mapping that was made anew would stay
		before = errors.Join(a.UndoFaults(ctx, name, func(OpenFault) {}), a.removeStrays(ctx, name))
	}
	for tries := 1; now != nil && tries <= 2; tries++ {
		if err = a.remove(ctx, name, poll, progress); !errors.Is(err, errDeleteFailed) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("destroy stack %s: %w", name, err)
	}
	return errors.Join(before, err, a.removeCode(ctx, name))
}

// remove has a stack deleted.
func (a *Account) remove(ctx context.Context, name string, poll time.Duration, progress func(Step)) error {
	o, err := a.beginOn(ctx, name)
	if err == nil {
		err = a.emptyBuckets(ctx, name)
	}
	if err == nil {
		_, err = a.formation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &o.id})
	}
	if err == nil {
		o.deleting = true
		err = o.follow(ctx, poll, progress)
	}
	return err
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
		case tagOwner:
			s.Owner = aws.ToString(t.Value)
		case tagExpires:
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
