package aws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/ackproof/ackproof/bench/clock"
)

// States of an event source mapping.
// https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
const (
	stateEnabled  = "Enabled"
	stateDisabled = "Disabled"
)

// source is an event source mapping by what it ties together: one that was made anew
// has another UUID.
type source struct{ Function, Stream string }

// find finds it; nil: there is none.
func (s source) find(ctx context.Context, h *hand) (*types.EventSourceMappingConfiguration, error) {
	out, err := h.lambda.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: &s.Function, EventSourceArn: &s.Stream})
	if err != nil {
		return nil, h.explain(err, "look for the event source mapping of "+s.Function, "lambda:ListEventSourceMappings")
	}
	switch len(out.EventSourceMappings) {
	case 0:
		return nil, nil
	case 1:
		return &out.EventSourceMappings[0], nil
	}
	return nil, fmt.Errorf("function %s has %d event source mappings of that stream: which one is meant is not clear", s.Function, len(out.EventSourceMappings))
}

// enabled finds one that polls, as far as its state says.
func (s source) enabled(ctx context.Context, h *hand) (*types.EventSourceMappingConfiguration, error) {
	m, err := s.find(ctx, h)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, fmt.Errorf("function %s has no event source mapping of %s", s.Function, s.Stream)
	case text(m.State) != stateEnabled:
		return nil, fmt.Errorf("the event source mapping of %s is %s already: nothing would be broken; wait until it is Enabled", s.Function, text(m.State))
	}
	return m, nil
}

// is reports whether there is one and its state is the one that is wanted. That it is
// Enabled is no proof that it polls: only a delivery is.
func (s source) is(ctx context.Context, h *hand, state string) (bool, string, error) {
	m, err := s.find(ctx, h)
	if err != nil || m == nil {
		return false, "not there", err
	}
	return text(m.State) == state, text(m.State), nil
}

// change updates it, when AWS has time for that.
func (s source) change(ctx context.Context, h *hand, in *lambda.UpdateEventSourceMappingInput) error {
	return h.whileBusy(ctx, "update the event source mapping of "+s.Function, func() error {
		_, err := h.lambda.UpdateEventSourceMapping(ctx, in)
		return h.explain(err, "update the event source mapping of "+s.Function, "lambda:UpdateEventSourceMapping")
	})
}

// mappingOff disables the mapping. Its position is kept.
type mappingOff struct {
	source
	stateCounter
}

func (m *mappingOff) look(ctx context.Context, h *hand) error {
	_, err := m.enabled(ctx, h)
	return err
}

func (m *mappingOff) pull(ctx context.Context, h *hand) error {
	if err := m.set(ctx, h, false); err != nil {
		return err
	}
	err := h.until(ctx, "disable the event source mapping", func() (bool, string, error) { return m.is(ctx, h, stateDisabled) })
	if err == nil {
		m.Seen = 1
	}
	return err
}

func (m *mappingOff) set(ctx context.Context, h *hand, on bool) error {
	now, err := m.find(ctx, h)
	if err != nil {
		return err
	}
	if now == nil {
		return fmt.Errorf("the event source mapping of %s is gone: somebody has deleted it meanwhile", m.Function)
	}
	return m.change(ctx, h, &lambda.UpdateEventSourceMappingInput{UUID: now.UUID, Enabled: &on})
}

func (m *mappingOff) undo(ctx context.Context, h *hand) error { return m.set(ctx, h, true) }

func (m *mappingOff) undone(ctx context.Context, h *hand) (bool, string, error) {
	return m.is(ctx, h, stateEnabled)
}

// mappingUpdate updates the mapping with what it has: its poller stops and starts.
type mappingUpdate struct {
	source
	stateCounter
	BatchSize int32
	Modified  time.Time
}

func (m *mappingUpdate) look(ctx context.Context, h *hand) error {
	now, err := m.enabled(ctx, h)
	if err == nil {
		m.BatchSize, m.Modified = aws.ToInt32(now.BatchSize), aws.ToTime(now.LastModified)
	}
	return err
}

func (m *mappingUpdate) pull(ctx context.Context, h *hand) error {
	now, err := m.enabled(ctx, h)
	if err != nil {
		return err
	}
	// LastModified may be in whole seconds: within one of them a change is not seen.
	if d := h.clock.Now().Sub(m.Modified).Abs(); d < 2*time.Second && !clock.Wait(2*time.Second-d, ctx.Done()) {
		return ctx.Err()
	}
	if err := m.change(ctx, h, &lambda.UpdateEventSourceMappingInput{UUID: now.UUID, BatchSize: &m.BatchSize}); err != nil {
		return err
	}
	return h.until(ctx, "update the event source mapping", func() (bool, string, error) {
		now, err := m.find(ctx, h)
		if err != nil || now == nil {
			return false, "not there", err
		}
		if text(now.State) != stateEnabled || aws.ToTime(now.LastModified).Equal(m.Modified) {
			return false, text(now.State) + ", last modified " + aws.ToTime(now.LastModified).UTC().Format(time.RFC3339), nil
		}
		m.Seen = 1
		return true, "", nil
	})
}

func (m *mappingUpdate) undo(context.Context, *hand) error { return nil }

func (m *mappingUpdate) undone(ctx context.Context, h *hand) (bool, string, error) {
	return m.is(ctx, h, stateEnabled)
}

// mappingAnew deletes the mapping and makes it anew: its position is lost.
type mappingAnew struct {
	source
	stateCounter
	UUID   string // of the old one
	Create *lambda.CreateEventSourceMappingInput
}

func (m *mappingAnew) look(ctx context.Context, h *hand) error {
	now, err := m.enabled(ctx, h)
	if err != nil {
		return err
	}
	tags, err := h.lambda.ListTags(ctx, &lambda.ListTagsInput{Resource: now.EventSourceMappingArn})
	if err != nil {
		return h.explain(err, "look at the tags of the event source mapping", "lambda:ListTags")
	}
	m.UUID = text(now.UUID)
	m.Create = &lambda.CreateEventSourceMappingInput{
		FunctionName: &m.Function, EventSourceArn: &m.Stream, Enabled: aws.Bool(true), Tags: tags.Tags,
		StartingPosition: now.StartingPosition, BatchSize: now.BatchSize, MaximumBatchingWindowInSeconds: now.MaximumBatchingWindowInSeconds,
		ParallelizationFactor: now.ParallelizationFactor, MaximumRetryAttempts: now.MaximumRetryAttempts,
		MaximumRecordAgeInSeconds: now.MaximumRecordAgeInSeconds, BisectBatchOnFunctionError: now.BisectBatchOnFunctionError,
		FunctionResponseTypes: now.FunctionResponseTypes, TumblingWindowInSeconds: now.TumblingWindowInSeconds,
		FilterCriteria: now.FilterCriteria, DestinationConfig: now.DestinationConfig, MetricsConfig: now.MetricsConfig, KMSKeyArn: now.KMSKeyArn,
	}
	return nil
}

func (m *mappingAnew) pull(ctx context.Context, h *hand) error {
	if err := h.whileBusy(ctx, "delete the event source mapping", func() error {
		_, err := h.lambda.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: &m.UUID})
		return h.explain(err, "delete the event source mapping", "lambda:DeleteEventSourceMapping")
	}); err != nil {
		return err
	}
	if err := h.until(ctx, "delete the event source mapping", func() (bool, string, error) {
		_, err := h.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &m.UUID})
		if missing(err) {
			return true, "", nil
		}
		return false, "there", h.explain(err, "look at the event source mapping", "lambda:GetEventSourceMapping")
	}); err != nil {
		return err
	}
	if err := m.make(ctx, h); err != nil {
		return err
	}
	err := h.until(ctx, "make the event source mapping anew", func() (bool, string, error) { return m.is(ctx, h, stateEnabled) })
	if err == nil {
		m.Seen = 1
	}
	return err
}

func (m *mappingAnew) make(ctx context.Context, h *hand) error {
	return h.whileBusy(ctx, "make the event source mapping anew", func() error {
		_, err := h.lambda.CreateEventSourceMapping(ctx, m.Create)
		if there, find := m.find(ctx, h); busy(err) && find == nil && there != nil && text(there.UUID) != m.UUID {
			return nil // it is made already
		}
		return h.explain(err, "make the event source mapping anew", "lambda:CreateEventSourceMapping")
	})
}

// undo makes the mapping, where a pull was cut off between its two steps.
func (m *mappingAnew) undo(ctx context.Context, h *hand) error {
	if m.Create == nil {
		return errors.New("the journal does not say how the event source mapping was")
	}
	now, err := m.find(ctx, h)
	switch {
	case err != nil:
		return err
	case now != nil && text(now.State) != "Deleting":
		return nil
	}
	return m.make(ctx, h)
}

func (m *mappingAnew) undone(ctx context.Context, h *hand) (bool, string, error) {
	return m.is(ctx, h, stateEnabled)
}

// removeStrays deletes the event source mappings of a stack's functions that the stack
// does not know: those that were made anew. CloudFormation would leave them.
func (a *Account) removeStrays(ctx context.Context, stack string) error {
	out, err := a.formation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &stack})
	if err != nil {
		return fmt.Errorf("list the resources of stack %s: %w", stack, err)
	}
	known := map[string]bool{}
	var functions []string
	for _, r := range out.StackResources {
		known[text(r.PhysicalResourceId)] = true
		if text(r.ResourceType) == "AWS::Lambda::Function" && text(r.PhysicalResourceId) != "" {
			functions = append(functions, *r.PhysicalResourceId)
		}
	}
	var errs []error
	for _, function := range functions {
		pages := lambda.NewListEventSourceMappingsPaginator(a.lambda, &lambda.ListEventSourceMappingsInput{FunctionName: &function})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				if !missing(err) {
					errs = append(errs, fmt.Errorf("list the event source mappings of %s: %w", function, err))
				}
				break
			}
			for _, m := range page.EventSourceMappings {
				if known[text(m.UUID)] {
					continue
				}
				if _, err := a.lambda.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: m.UUID}); err != nil && !missing(err) {
					errs = append(errs, fmt.Errorf("delete the event source mapping %s of %s: %w", text(m.UUID), function, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}
