// Package eventsource is Lambda's event source mapping for DynamoDB Streams: it
// reads the shards of a stream, gathers records into batches, invokes the
// function, and retries, parks or drops what fails.
//
// It has two layers.
//
// [Machine] holds the rules of one shard. It has no goroutine, no clock and no
// generator: time comes in as an argument, chance is drawn from a seed, and the
// outside world is asked for in [Action] values. Tests drive it in virtual
// time, so that a day of retries is one loop.
//
//	Next(now) ─► Poll   ─► Polled / PollFailed
//	          ─► Invoke ─► Answered
//	          ─► Send   ─► Sent
//	          ─► Wait, End
//
// [Mapping] is the live driver: one goroutine a shard asks its machine what to
// do, does it through the public Streams API, a bench.Function and a
// [Destination], and tells a bench.Observer.
//
// # What is kept
//
// The order of a shard is kept: one batch is in flight, and the next one starts
// when it is settled. A batch is settled when the function has succeeded, or
// when its records have been given up: sent to the destination, or dropped and
// counted. The checkpoint moves over settled records only, and never jumps.
// Delivery is at least once
// (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html).
//
// # What AWS does not document
//
// AWS says nothing of its back-off between retries of a stream batch: 200 ms
// doubling fits what was observed, and both ends are settings. Nor does it say
// what becomes of the younger records of a batch whose oldest record has passed
// MaximumRecordAgeInSeconds: here each record lives to its own age, and the
// younger rest goes on as a batch of its own. How fast throttled batches come
// back is unknown too: they use the same back-off, counted apart.
//
// Bisecting, partial batch responses, filters, tumbling windows, several lanes
// a shard and StartingPosition LATEST are not modelled yet; [Validate] refuses
// them, since a setting that is ignored would make a run prove the wrong thing.
package eventsource
