package aws

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// concurrency takes from a function all that it may run at once. Lambda refuses its
// invocations with 429 then, and drops asynchronous events to their destination.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
type concurrency struct {
	Function string
	Before   *int32 // nil: none was reserved
}

func (c *concurrency) now(ctx context.Context, h *hand) (*int32, error) {
	out, err := h.lambda.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: &c.Function})
	if err != nil {
		return nil, h.explain(err, "look at the reserved concurrency of "+c.Function, "lambda:GetFunctionConcurrency")
	}
	return out.ReservedConcurrentExecutions, nil
}

func (c *concurrency) look(ctx context.Context, h *hand) (err error) {
	if c.Before, err = c.now(ctx, h); err != nil {
		return err
	}
	if c.Before != nil && *c.Before == 0 {
		return fmt.Errorf("function %s has a reserved concurrency of 0 already: nothing would be broken", c.Function)
	}
	_, err = c.count(ctx, h, h.clock.Now(), h.clock.Now())
	return err
}

func (c *concurrency) pull(ctx context.Context, h *hand) error {
	_, err := h.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &c.Function, ReservedConcurrentExecutions: aws.Int32(0)})
	return h.explain(err, "reserve a concurrency of 0 for "+c.Function, "lambda:PutFunctionConcurrency")
}

func (c *concurrency) undo(ctx context.Context, h *hand) error {
	return h.whileBusy(ctx, "restore the reserved concurrency of "+c.Function, func() error {
		if c.Before == nil {
			_, err := h.lambda.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: &c.Function})
			return h.explain(err, "remove the reserved concurrency of "+c.Function, "lambda:DeleteFunctionConcurrency")
		}
		_, err := h.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &c.Function, ReservedConcurrentExecutions: c.Before})
		return h.explain(err, "restore the reserved concurrency of "+c.Function, "lambda:PutFunctionConcurrency")
	})
}

func (c *concurrency) undone(ctx context.Context, h *hand) (bool, string, error) {
	now, err := c.now(ctx, h)
	if err != nil {
		return false, "", err
	}
	return (now == nil) == (c.Before == nil) && aws.ToInt32(now) == aws.ToInt32(c.Before), fmt.Sprintf("a reserved concurrency of %d", aws.ToInt32(now)), nil
}

func (c *concurrency) counter() metricCounter {
	return metricCounter{"AWS/Lambda", "Throttles", []string{"FunctionName", c.Function}}
}

func (c *concurrency) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	return c.counter().count(ctx, h, from, to)
}

func (c *concurrency) late() time.Duration { return c.counter().late() }

// Values of setting.What.
const (
	settingTimeout  = "timeout"
	settingMemory   = "memory"
	settingVariable = "variable"
)

// setting changes one setting of a function. Lambda starts new processes for it,
// and lets what runs come to its end.
type setting struct {
	Function    string
	What        string
	Before, To  int32  // seconds, or MB
	Name, Value string // of a variable
	Struck      string // what a line of the log says of a strike, for a variable
	Log         logCounter
}

func (s *setting) now(ctx context.Context, h *hand) (*lambda.GetFunctionConfigurationOutput, error) {
	out, err := h.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &s.Function})
	return out, h.explain(err, "look at the settings of "+s.Function, "lambda:GetFunctionConfiguration")
}

func (s *setting) look(ctx context.Context, h *hand) error {
	now, err := s.now(ctx, h)
	if err != nil {
		return err
	}
	s.Log = logOf(now, "")
	json := now.LoggingConfig != nil && now.LoggingConfig.LogFormat == types.LogFormatJson
	pattern := func(plain, structured string) {
		if s.Log.Pattern = strconv.Quote(plain); json {
			s.Log.Pattern = strconv.Quote(structured)
		}
	}
	switch s.What {
	case settingTimeout:
		s.Before = aws.ToInt32(now.Timeout)
		pattern("Task timed out after", `"status":"timeout"`)
	case settingMemory:
		s.Before = aws.ToInt32(now.MemorySize)
		pattern(fmt.Sprintf("Memory Size: %d MB", s.To), fmt.Sprintf(`"memorySizeMB":%d`, s.To))
	case settingVariable:
		pattern(s.Struck, s.Struck)
		if now.Environment != nil && now.Environment.Variables[s.Name] != "" {
			return fmt.Errorf("function %s has the variable %s already: 'ackproof faults undo --stack' removes what an earlier run has left", s.Function, s.Name)
		}
	}
	if s.What != settingVariable && s.To >= s.Before {
		return fmt.Errorf("the %s of %s is %d already, and %d would not lower it", s.What, s.Function, s.Before, s.To)
	}
	_, err = s.count(ctx, h, h.clock.Now(), h.clock.Now())
	return err
}

// logOf is the log of a function.
func logOf(now *lambda.GetFunctionConfigurationOutput, pattern string) logCounter {
	l := logCounter{Group: "/aws/lambda/" + text(now.FunctionName), Pattern: pattern}
	if c := now.LoggingConfig; c != nil && c.LogGroup != nil {
		l.Group = *c.LogGroup
	}
	return l
}

// set changes the setting and waits until Lambda has done it.
func (s *setting) set(ctx context.Context, h *hand, change func(now *lambda.GetFunctionConfigurationOutput, in *lambda.UpdateFunctionConfigurationInput)) error {
	h.function.Lock()
	defer h.function.Unlock()
	err := h.whileBusy(ctx, "change the settings of "+s.Function, func() error {
		now, err := s.now(ctx, h)
		if err != nil {
			return err
		}
		// The revision makes it one step: what others change meanwhile is not lost.
		in := &lambda.UpdateFunctionConfigurationInput{FunctionName: &s.Function, RevisionId: now.RevisionId}
		change(now, in)
		_, err = h.lambda.UpdateFunctionConfiguration(ctx, in)
		return h.explain(err, "change the "+s.What+" of "+s.Function, "lambda:UpdateFunctionConfiguration")
	})
	if err != nil {
		return err
	}
	return h.until(ctx, "change the settings of "+s.Function, func() (bool, string, error) {
		now, err := s.now(ctx, h)
		if err != nil {
			return false, "", err
		}
		switch now.LastUpdateStatus {
		case types.LastUpdateStatusFailed:
			return false, "", fmt.Errorf("change the settings of %s: %s", s.Function, text(now.LastUpdateStatusReason))
		case types.LastUpdateStatusInProgress:
			return false, "in progress", nil
		}
		return true, "", nil
	})
}

func (s *setting) pull(ctx context.Context, h *hand) error {
	return s.set(ctx, h, func(now *lambda.GetFunctionConfigurationOutput, in *lambda.UpdateFunctionConfigurationInput) {
		s.fill(now, in, s.To, true)
	})
}

func (s *setting) undo(ctx context.Context, h *hand) error {
	return s.set(ctx, h, func(now *lambda.GetFunctionConfigurationOutput, in *lambda.UpdateFunctionConfigurationInput) {
		s.fill(now, in, s.Before, false)
	})
}

// fill asks for a value, or for a variable that is there or is not. Lambda takes all
// variables or none.
func (s *setting) fill(now *lambda.GetFunctionConfigurationOutput, in *lambda.UpdateFunctionConfigurationInput, value int32, there bool) {
	switch s.What {
	case settingTimeout:
		in.Timeout = &value
	case settingMemory:
		in.MemorySize = &value
	case settingVariable:
		vars := map[string]string{}
		if now.Environment != nil {
			vars = maps.Clone(now.Environment.Variables)
		}
		if delete(vars, s.Name); there {
			vars[s.Name] = s.Value
		}
		in.Environment = &types.Environment{Variables: vars}
	}
}

func (s *setting) undone(ctx context.Context, h *hand) (bool, string, error) {
	now, err := s.now(ctx, h)
	if err != nil {
		return false, "", err
	}
	switch s.What {
	case settingTimeout:
		return aws.ToInt32(now.Timeout) == s.Before, fmt.Sprintf("%d s", aws.ToInt32(now.Timeout)), nil
	case settingMemory:
		return aws.ToInt32(now.MemorySize) == s.Before, fmt.Sprintf("%d MB", aws.ToInt32(now.MemorySize)), nil
	}
	there := false
	if now.Environment != nil {
		_, there = now.Environment.Variables[s.Name]
	}
	return !there, "set: " + s.Name, nil
}

func (s *setting) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	return s.Log.count(ctx, h, from, to)
}

func (s *setting) late() time.Duration { return s.Log.late() }
