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
// A shard has ParallelizationFactor lanes. All records of an item go through the
// same lane, and a lane has one batch in flight, so the order of an item is
// kept. A batch is settled when the function has succeeded, or when its records
// have been given up: sent to the destination, or dropped and counted. A batch
// that failed may be cut first: at the place that a partial answer names, or in
// two halves. The checkpoint moves over settled records only, and never jumps.
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
// back is unknown too: they use the same back-off, counted apart. How far a
// shard with several lanes reads ahead ([Machine.Next]), when a tumbling window
// ends without a later record, and what timeWindowInfo holds are choices of this
// package, named where they are made.
//
// # What is refused
//
// [Validate] refuses what AWS refuses, and what is not modelled: the operators
// of event patterns that mappings lack (cidr, wildcard, what anything-but takes
// beside values). A setting that is ignored would make a run prove the wrong
// thing.
package eventsource
