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
	forever            = -1
)

// trimHorizon is the StartingPosition that misses nothing.
const trimHorizon = "TRIM_HORIZON"

// onFailurePayload names a destination that keeps the payload, as S3 does
// (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).
const onFailurePayload = "payload"

// Validate returns everything that is wrong with the settings, and everything
// in them that this package does not model yet. Nil: they can be run. It
// changes nothing and fills in no default.
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
	if s.MaximumRetryAttempts != forever {
		within("MaximumRetryAttempts", s.MaximumRetryAttempts, 0, maxRetryAttempts, ", or -1 for ever")
	}
	if s.MaximumRecordAgeInSeconds != forever {
		within("MaximumRecordAgeInSeconds", s.MaximumRecordAgeInSeconds, minRecordAge, maxRecordAge, ", or -1 for ever")
	}
	switch s.StartingPosition {
	case trimHorizon:
	case "LATEST":
		bad("StartingPosition LATEST: not modelled yet, use TRIM_HORIZON")
	case "AT_TIMESTAMP":
		bad("StartingPosition AT_TIMESTAMP: AWS does not allow it for DynamoDB Streams, use TRIM_HORIZON")
	default:
		bad("StartingPosition %q: want TRIM_HORIZON", s.StartingPosition)
	}
	if s.OnFailure != "" && s.OnFailure != onFailurePayload {
		bad("OnFailure %q: want \"payload\" for a destination that keeps the event, or nothing", s.OnFailure)
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
	return append(errs, unmodelled(s)...)
}

// unmodelled names the settings that AWS has and this package has not.
func unmodelled(s bench.Mapping) []error {
	var errs []error
	if s.ParallelizationFactor > 1 && s.ParallelizationFactor <= maxParallelization {
		errs = append(errs, fmt.Errorf("mapping: ParallelizationFactor %d: not modelled yet, use 1", s.ParallelizationFactor))
	}
	if s.BisectBatchOnFunctionError {
		errs = append(errs, fmt.Errorf("mapping: BisectBatchOnFunctionError true: not modelled yet, use false"))
	}
	return errs
}
