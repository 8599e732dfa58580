package eventsource

import (
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Limits of the settings, as CreateEventSourceMapping has them
// (https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html).
const (
	maxBatchSize       = 10_000
	maxWindowSeconds   = 300
	maxParallelization = 10
	maxRetryAttempts   = 10_000
	minRecordAge       = 60 // seconds; AWS refuses 0 to 59 although its API page gives -1 as the minimum
	maxRecordAge       = 604_800
	maxTumblingWindow  = 900 // seconds
	forever            = -1
)

// The StartingPositions: one misses nothing, the other what comes before the
// first poll.
const (
	trimHorizon = "TRIM_HORIZON"
	latest      = "LATEST"
)

// The two kinds of destination: one is given the whole event, as S3 is, the
// other only where it was, as SQS and SNS are
// (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).
const (
	onFailurePayload  = "payload"
	onFailureMetadata = "metadata"
)

// Validate returns everything that is wrong with the settings. Nil: they can be
// run. It changes nothing and fills in no default.
func Validate(s bench.Mapping) []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("mapping: "+format, args...)) }
	within := func(name string, value, low, high int, or string) {
		if value < low || value > high {
			bad("%s %d: want %d to %d%s", name, value, low, high, or)
		}
	}
	within("BatchSize", s.BatchSize, 1, maxBatchSize, "")
	within("MaximumBatchingWindowInSeconds", s.MaximumBatchingWindowInSeconds, 0, maxWindowSeconds, "")
	within("ParallelizationFactor", s.ParallelizationFactor, 1, maxParallelization, "")
	within("TumblingWindowInSeconds", s.TumblingWindowInSeconds, 0, maxTumblingWindow, "")
	if s.MaximumRetryAttempts != forever {
		within("MaximumRetryAttempts", s.MaximumRetryAttempts, 0, maxRetryAttempts, ", or -1 for ever")
	}
	if s.MaximumRecordAgeInSeconds != forever {
		within("MaximumRecordAgeInSeconds", s.MaximumRecordAgeInSeconds, minRecordAge, maxRecordAge, ", or -1 for ever")
	}
	switch s.StartingPosition {
	case trimHorizon, latest:
	case "AT_TIMESTAMP":
		bad("StartingPosition AT_TIMESTAMP: AWS does not allow it for DynamoDB Streams, use TRIM_HORIZON")
	default:
		bad("StartingPosition %q: want TRIM_HORIZON or LATEST", s.StartingPosition)
	}
	for _, kind := range s.FunctionResponseTypes {
		if kind != reportBatchItemFailures {
			bad("FunctionResponseTypes %q: want ReportBatchItemFailures, or nothing", kind)
		}
	}
	if s.OnFailure != "" && s.OnFailure != onFailurePayload && s.OnFailure != onFailureMetadata {
		bad("OnFailure %q: want \"payload\" for a destination that keeps the event, \"metadata\" for one that does not, or nothing", s.OnFailure)
	}
	if s.StartDelay < 0 {
		bad("StartDelay %v: want 0 or more", s.StartDelay)
	}
	positive := func(name string, d time.Duration) {
		if d <= 0 {
			bad("%s %v: want more than 0", name, d)
		}
	}
	positive("PollInterval", s.PollInterval)
	positive("RetryBase", s.RetryBase)
	if s.RetryCap < s.RetryBase {
		bad("RetryCap %v: want at least RetryBase, %v", s.RetryCap, s.RetryBase)
	}
	return append(errs, validateFilter(s)...)
}

// validateFilter checks the filters, and what a tumbling window goes together
// with: AWS refuses one beside several lanes, or beside a filter.
func validateFilter(s bench.Mapping) []error {
	var errs []error
	if n := len(s.FilterCriteria); n > maxFilters {
		errs = append(errs, fmt.Errorf("mapping: FilterCriteria: %d filters, want at most %d", n, maxFilters))
	}
	for i, text := range s.FilterCriteria {
		if _, err := parsePattern(text); err != nil {
			errs = append(errs, fmt.Errorf("mapping: FilterCriteria[%d]: %w", i, err))
		}
	}
	if s.TumblingWindowInSeconds > 0 && s.ParallelizationFactor > 1 {
		errs = append(errs, fmt.Errorf("mapping: TumblingWindowInSeconds %d with ParallelizationFactor %d: AWS refuses both together, use one", s.TumblingWindowInSeconds, s.ParallelizationFactor))
	}
	if s.TumblingWindowInSeconds > 0 && len(s.FilterCriteria) > 0 {
		errs = append(errs, fmt.Errorf("mapping: TumblingWindowInSeconds %d with FilterCriteria: AWS refuses both together, use one", s.TumblingWindowInSeconds))
	}
	return errs
}
