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

	"github.com/ackproof/ackproof/bench/clock"
)

// errDeleteFailed says that a stack could not be deleted.
var errDeleteFailed = errors.New("some of it could not be deleted")

// operation is one on a stack, followed to its end. What happened to the stack
// before is not told again.
type operation struct {
	account  *Account
	id       string // ARN: by it a stack can be asked for also when it is gone
	deleting bool

	seen   map[string]bool // events by their ids
	last   string          // status that the newest event of the stack itself told
	failed []string        // what went wrong
	quiet  int             // looks in a row that saw nothing new
}

// beginOn takes down what has happened to a stack so far. There must be one.
func (a *Account) beginOn(ctx context.Context, name string) (*operation, error) {
	now, err := a.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	if now == nil {
		return nil, ErrNoStack
	}
	o := &operation{account: a, id: aws.ToString(now.StackId), seen: map[string]bool{}}
	_, err = o.look(ctx)
	o.last, o.failed = "", nil
	return o, err
}

// look gives what has happened since the last look, the oldest first.
func (o *operation) look(ctx context.Context) (steps []Step, err error) {
	pages := cloudformation.NewDescribeStackEventsPaginator(o.account.formation, &cloudformation.DescribeStackEventsInput{StackName: &o.id})
	var fresh []types.StackEvent
	for known := false; pages.HasMorePages() && !known; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range page.StackEvents { // the newest first
			if known = o.seen[aws.ToString(e.EventId)]; known {
				break
			}
			fresh = append(fresh, e)
		}
	}
	for _, e := range slices.Backward(fresh) {
		o.seen[aws.ToString(e.EventId)] = true
		s := Step{At: aws.ToTime(e.Timestamp), Resource: aws.ToString(e.LogicalResourceId), Type: aws.ToString(e.ResourceType), Status: string(e.ResourceStatus), Reason: aws.ToString(e.ResourceStatusReason)}
		switch {
		case aws.ToString(e.PhysicalResourceId) == o.id:
			o.last = s.Status
		case strings.HasSuffix(s.Status, "_FAILED") && !strings.Contains(s.Reason, "cancelled"): // others, because of the first
			o.failed = append(o.failed, s.Resource+": "+s.Reason)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// believed is how many looks at events that tell nothing it takes to believe a status
// that they do not tell. Status and events are told by different calls, each a moment
// late: right after an operation has begun a stack may still have its status of
// before, which is one of rest.
const believed = 5

// follow tells of the steps of a stack until it has come to rest.
func (o *operation) follow(ctx context.Context, poll time.Duration, progress func(Step)) error {
	for again := newLooks(poll); ; {
		now, err := o.account.describe(ctx, o.id)
		if err != nil {
			return err
		}
		steps, err := o.look(ctx)
		if err != nil && now != nil {
			return err
		}
		for _, s := range steps {
			progress(s)
		}
		if ctx.Err() != nil { // also where it has come to rest just now: who interrupts does not want it
			return ctx.Err()
		}
		if o.quiet++; len(steps) > 0 {
			o.quiet = 0
		}
		if now == nil {
			if !o.deleting {
				return errors.New("somebody has deleted it")
			}
			return nil
		}
		status := string(now.StackStatus)
		if !strings.HasSuffix(status, "_IN_PROGRESS") && (status == o.last || o.quiet >= believed) {
			return o.outcome(status, aws.ToString(now.StackStatusReason))
		}
		if !again.pause(ctx) {
			return ctx.Err()
		}
	}
}

// outcome says what the status at which a stack has come to rest means.
func (o *operation) outcome(status, reason string) error {
	why := reason
	if len(o.failed) > 0 {
		why = strings.Join(o.failed, "; ")
	}
	switch {
	case o.deleting: // else it would be gone
		return fmt.Errorf("it is %s (%s): %w", status, why, errDeleteFailed)
	case strings.HasSuffix(status, "_FAILED"), strings.Contains(status, "ROLLBACK"):
		return fmt.Errorf("it is %s (%s)", status, why)
	}
	return nil
}

// lookAgain lies between two looks at what AWS is doing, in the end.
const lookAgain = 2 * time.Second

// looks are the pauses between looks at what AWS is doing: a plan is ready within a
// second, a stack within minutes.
type looks struct{ next, most time.Duration }

// newLooks makes pauses of the same length, or of a quarter of a second at first, and
// two seconds in the end.
func newLooks(poll time.Duration) *looks {
	if poll == 0 {
		return &looks{next: 250 * time.Millisecond, most: lookAgain}
	}
	return &looks{next: poll, most: poll}
}

// pause waits, longer each time; false: ctx has ended.
func (l *looks) pause(ctx context.Context) bool {
	d := l.next
	l.next = min(l.most, l.next+l.next/2)
	return clock.Wait(d, ctx.Done())
}
