package eventsource

import "time"

// Counters count what one shard has seen. Those of records say so. They stay
// what they are when the mapping is disabled, updated or made anew.
type Counters struct {
	Polls                       int64 // polls answered with a page, also an empty one
	Polled                      int64 // records read
	Filtered                    int64 // records that no filter let through
	Invocations                 int64 // invocations that ended, in whatever way; throttled ones are none
	Retries                     int64 // invocations of a batch after its first
	Splits                      int64 // batches that were bisected
	Rewinds                     int64 // batches that were cut by a partial answer
	Throttles                   int64 // invocations refused before they ran
	Invoked                     int64 // records in invocations and in throttled calls, each time anew
	FailedInvoke                int64 // those of them whose call failed, or which a partial answer left over
	Settled                     int64 // records that the function has succeeded on
	DeadLettered                int64 // records that the destination took
	Dropped                     int64 // records given up that no destination took
	Expired                     int64 // records that the stream's retention has ended while they were tried; no metric of AWS's counts them
	DestinationDeliveryFailures int64 // documents that the destination refused
	ReadErrors                  int64 // polls that failed
	Gaps                        int64 // times at which the place to read on from was lost

	// IteratorAge is the age of the last record of the batch that was handed
	// over last. AWS has described it in two ways, at the end of the processing
	// and at the sending to the function; this is the second
	// (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html).
	IteratorAge time.Duration
}

// add sums counters over shards; the age is that of the oldest.
func (c *Counters) add(d Counters) {
	c.Polls += d.Polls
	c.Polled += d.Polled
	c.Filtered += d.Filtered
	c.Invocations += d.Invocations
	c.Retries += d.Retries
	c.Splits += d.Splits
	c.Rewinds += d.Rewinds
	c.Throttles += d.Throttles
	c.Invoked += d.Invoked
	c.FailedInvoke += d.FailedInvoke
	c.Settled += d.Settled
	c.DeadLettered += d.DeadLettered
	c.Dropped += d.Dropped
	c.Expired += d.Expired
	c.DestinationDeliveryFailures += d.DestinationDeliveryFailures
	c.ReadErrors += d.ReadErrors
	c.Gaps += d.Gaps
	c.IteratorAge = max(c.IteratorAge, d.IteratorAge)
}

// CloudWatch gives the counters under the names of AWS's metrics of an event
// source mapping, IteratorAge in ms
// (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html).
// The real DroppedEventCount was seen to be silent for a mapping without a
// destination; this one is not.
func (c Counters) CloudWatch() map[string]int64 {
	return map[string]int64{
		"PolledEventCount":                        c.Polled,
		"FilteredOutEventCount":                   c.Filtered,
		"InvokedEventCount":                       c.Invoked,
		"FailedInvokeEventCount":                  c.FailedInvoke,
		"DroppedEventCount":                       c.Dropped,
		"OnFailureDestinationDeliveredEventCount": c.DeadLettered,
		"DestinationDeliveryFailures":             c.DestinationDeliveryFailures,
		"IteratorAge":                             c.IteratorAge.Milliseconds(),
	}
}
