package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/ackproof/ackproof/bench/clock"
)

// lever is one thing of the control plane that can be pulled, and put back. What of
// it is exported is all that putting it back takes: it is kept as JSON before it is
// pulled. Putting back may be done twice, and after a pull that was cut off halfway.
type lever interface {
	// look sees how things are and remembers it. It changes nothing, and fails where
	// pulling would break nothing, or could not be counted.
	look(ctx context.Context, h *hand) error
	// pull returns when the control plane says that it is in force.
	pull(ctx context.Context, h *hand) error
	// undo asks for what was before, undone looks whether it is so, and says how it
	// is where it is not.
	undo(ctx context.Context, h *hand) error
	undone(ctx context.Context, h *hand) (ok bool, is string, err error)
	// count asks an independent counter how often the fault has struck between two
	// moments. What it says may still grow for the time that late gives.
	count(ctx context.Context, h *hand, from, to time.Time) (int64, error)
	late() time.Duration
}

// seer is a lever whose effect can be seen only while it is in force.
type seer interface {
	see(ctx context.Context, h *hand) error
}

// leverTypes makes the levers that a journal names.
var leverTypes = map[string]func() lever{
	"concurrency": func() lever { return &concurrency{} },
	"setting":     func() lever { return &setting{} },
	"disable":     func() lever { return &mappingOff{} },
	"update":      func() lever { return &mappingUpdate{} },
	"recreate":    func() lever { return &mappingAnew{} },
	"deny":        func() lever { return &deny{} },
	"capacity":    func() lever { return &capacity{} },
	"stage":       func() lever { return &throttled{} },
	"experiment":  func() lever { return &experiment{} },
}

// hand is what pulls levers.
type hand struct {
	*Account
	clock clock.Clock
	poll  time.Duration // between two looks

	// function is held while the settings of the function change: Lambda makes one
	// change at a time.
	function sync.Mutex
}

// until looks again and again until something is so. The error of an end by ctx
// says how it was last.
func (h *hand) until(ctx context.Context, what string, look func() (ok bool, is string, err error)) error {
	last := "unknown"
	for {
		ok, is, err := look()
		if is != "" {
			last = is
		}
		switch {
		case ok:
			return nil
		case ctx.Err() != nil, err == nil && !clock.Wait(h.poll, ctx.Done()):
			return fmt.Errorf("%s: it is still %s: %w", what, last, ctx.Err())
		case err != nil:
			return err
		}
	}
}

// putBack undoes a lever, and returns when that is seen. Of what is gone altogether
// there is nothing to be undone.
func (h *hand) putBack(ctx context.Context, l lever) error {
	if err := l.undo(ctx, h); err != nil {
		if missing(err) {
			return nil
		}
		return err
	}
	return h.until(ctx, "undone, and not confirmed", func() (bool, string, error) { return l.undone(ctx, h) })
}

// busy reports that AWS is at work on the same thing, and wants to be asked later.
func busy(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch e.ErrorCode() {
	case "ResourceConflictException", "ResourceInUseException", "PreconditionFailedException", "ConflictException", "ConcurrentModification":
		return true
	}
	return false
}

// whileBusy does something again until AWS has time for it.
func (h *hand) whileBusy(ctx context.Context, what string, do func() error) error {
	return h.until(ctx, what, func() (bool, string, error) {
		err := do()
		if busy(err) {
			return false, "busy with another change: " + err.Error(), nil
		}
		return err == nil, "", err
	})
}

// missing reports that there is no such thing.
func missing(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch e.ErrorCode() {
	case "ResourceNotFoundException", "NoSuchEntity", "NoSuchEntityException", "NotFoundException", "NoSuchKey", "NoSuchBucket", "NotFound":
		return true
	}
	return false
}

// explain tells an error of AWS in words, with the next step. Permission is what
// the call takes.
func (h *hand) explain(err error, doing, permission string) error {
	if err == nil {
		return nil
	}
	hint := ""
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		switch code := e.ErrorCode(); {
		case strings.Contains(code, "AccessDenied"), strings.Contains(code, "Unauthorized"), strings.Contains(code, "NotAuthorized"):
			hint = fmt.Sprintf("; %s lacks the permission %s: docs/aws.md says which policy has it", h.Caller, permission)
		case strings.Contains(code, "Throttl"), strings.Contains(code, "TooManyRequests"), code == "RequestLimitExceeded":
			hint = "; AWS limits calls of its control plane: try again in a minute"
		case missing(err):
			hint = "; 'ackproof status' shows what the stack has"
		}
	}
	return fmt.Errorf("%s: %w%s", doing, err, hint)
}

// encode gives a lever as a journal keeps it.
func encode(l lever) (name string, state json.RawMessage, err error) {
	for name, make := range leverTypes {
		if fmt.Sprintf("%T", make()) == fmt.Sprintf("%T", l) {
			state, err = json.Marshal(l)
			return name, state, err
		}
	}
	return "", nil, fmt.Errorf("a lever of no name: %T", l)
}

// decode reads a lever that a journal has kept.
func decode(name string, state json.RawMessage) (lever, error) {
	make, ok := leverTypes[name]
	if !ok {
		return nil, fmt.Errorf("it names a lever %q, which this version of ackproof does not know", name)
	}
	l := make()
	if err := json.Unmarshal(state, l); err != nil {
		return nil, fmt.Errorf("lever %s: %w", name, err)
	}
	return l, nil
}

// roleOf is the name of a role by its ARN.
func roleOf(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func text(p *string) string { return aws.ToString(p) }
