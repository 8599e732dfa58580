package eventsource

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// defaults are AWS's own settings, with its observed back-off.
func defaults() bench.Mapping {
	return bench.Mapping{
		BatchSize: 100, ParallelizationFactor: 1, MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: -1,
		StartingPosition: "TRIM_HORIZON", PollInterval: 250 * time.Millisecond, RetryBase: 200 * time.Millisecond, RetryCap: time.Minute,
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bench.Mapping)
		want   string // empty: valid
	}{
		{"defaults", func(*bench.Mapping) {}, ""},
		{"largest", func(s *bench.Mapping) {
			s.BatchSize, s.MaximumBatchingWindowInSeconds, s.MaximumRetryAttempts, s.MaximumRecordAgeInSeconds = 10_000, 300, 10_000, 604_800
			s.ParallelizationFactor, s.BisectBatchOnFunctionError, s.StartingPosition = 10, true, "LATEST"
			s.FunctionResponseTypes, s.OnFailure = []string{"ReportBatchItemFailures"}, "payload"
			s.FilterCriteria = []string{`{"eventName":["INSERT"]}`, `{"a":[1]}`, `{"a":[2]}`, `{"a":[3]}`, `{"a":[4]}`}
		}, ""},
		{"metadata", func(s *bench.Mapping) { s.OnFailure = "metadata" }, ""},
		{"tumbling window", func(s *bench.Mapping) { s.TumblingWindowInSeconds = 900 }, ""},
		{"tumbling window 901", func(s *bench.Mapping) { s.TumblingWindowInSeconds = 901 }, "TumblingWindowInSeconds 901: want 0 to 900"},
		{"tumbling window, factor 2", func(s *bench.Mapping) { s.TumblingWindowInSeconds, s.ParallelizationFactor = 1, 2 }, "AWS refuses both together"},
		{"tumbling window, filter", func(s *bench.Mapping) {
			s.TumblingWindowInSeconds, s.FilterCriteria = 1, []string{`{"eventName":["INSERT"]}`}
		}, "AWS refuses both together"},
		{"six filters", func(s *bench.Mapping) { s.FilterCriteria = slices.Repeat([]string{`{"eventName":["INSERT"]}`}, 6) }, "6 filters, want at most 5"},
		{"bad filter", func(s *bench.Mapping) { s.FilterCriteria = []string{`{"eventName":"INSERT"}`} },
			"FilterCriteria[0]: InvalidParameterValueException: Invalid filter pattern definition."},
		{"response type", func(s *bench.Mapping) { s.FunctionResponseTypes = []string{"Report"} }, `FunctionResponseTypes "Report": want ReportBatchItemFailures`},
		{"delay", func(s *bench.Mapping) { s.StartDelay = -1 }, "StartDelay -1ns: want 0 or more"},
		// "A window is needed over 10" is a rule of SQS, not of streams.
		{"batch over 10 without window", func(s *bench.Mapping) { s.BatchSize = 101 }, ""},
		{"no retries", func(s *bench.Mapping) { s.MaximumRetryAttempts = 0 }, ""},
		{"batch 0", func(s *bench.Mapping) { s.BatchSize = 0 }, "BatchSize 0: want 1 to 10000"},
		{"batch 10001", func(s *bench.Mapping) { s.BatchSize = 10_001 }, "BatchSize 10001"},
		{"window", func(s *bench.Mapping) { s.MaximumBatchingWindowInSeconds = 301 }, "MaximumBatchingWindowInSeconds 301: want 0 to 300"},
		{"retries -2", func(s *bench.Mapping) { s.MaximumRetryAttempts = -2 }, "MaximumRetryAttempts -2"},
		{"retries 10001", func(s *bench.Mapping) { s.MaximumRetryAttempts = 10_001 }, "or -1 for ever"},
		{"age 0", func(s *bench.Mapping) { s.MaximumRecordAgeInSeconds = 0 }, "MaximumRecordAgeInSeconds 0: want 60 to 604800"},
		{"age 59", func(s *bench.Mapping) { s.MaximumRecordAgeInSeconds = 59 }, "MaximumRecordAgeInSeconds 59"},
		{"factor 0", func(s *bench.Mapping) { s.ParallelizationFactor = 0 }, "ParallelizationFactor 0: want 1 to 10"},
		{"factor 11", func(s *bench.Mapping) { s.ParallelizationFactor = 11 }, "ParallelizationFactor 11: want 1 to 10"},
		{"timestamp", func(s *bench.Mapping) { s.StartingPosition = "AT_TIMESTAMP" }, "AWS does not allow it"},
		{"position", func(s *bench.Mapping) { s.StartingPosition = "" }, `StartingPosition "": want TRIM_HORIZON or LATEST`},
		{"destination", func(s *bench.Mapping) { s.OnFailure = "sqs" }, `OnFailure "sqs"`},
		{"interval", func(s *bench.Mapping) { s.PollInterval = 0 }, "PollInterval 0s: want more than 0"},
		{"base", func(s *bench.Mapping) { s.RetryBase = -1 }, "RetryBase -1ns: want more than 0"},
		{"cap", func(s *bench.Mapping) { s.RetryCap = s.RetryBase - 1 }, "want at least RetryBase, 200ms"},
	} {
		s := defaults()
		c.change(&s)
		errs := Validate(s)
		switch {
		case c.want == "" && errs != nil:
			t.Errorf("%s: refused: %v", c.name, errs)
		case c.want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want)):
			t.Errorf("%s: errors %v, want one with %q", c.name, errs, c.want)
		}
	}
}

func TestValidateReturnsAllErrors(t *testing.T) {
	errs := Validate(bench.Mapping{TumblingWindowInSeconds: -1, MaximumBatchingWindowInSeconds: -1, OnFailure: "x", RetryCap: -1})
	// Every field of the zero mapping but MaximumRetryAttempts is wrong.
	if len(errs) != 10 {
		t.Errorf("%d errors, want 10: %v", len(errs), errs)
	}
}
