// Package bench holds the nouns and seams of ackproof: what a request, an
// item, an effect and a verdict are, and the interfaces between the parts that
// must not know each other.
//
// It imports nothing of this module, and every other package speaks in its
// words. The life of one request, station by station:
//
//	plan ─► sent ─► acknowledged ─► stored ─► delivered ─► effect
//	load    ledger  client          dynamo    eventsource  results table
//
// A [Request] is one logical call. The client learns an [Outcome]. The API
// stores an [Item]; the item's stream record is handed to the processor in a
// [Delivery]; each application of the processor's work is an [Effect]. A record
// that was given up is a [DeadLetter]. The judge (package reconcile) joins them
// by id and gives every sent id exactly one [ItemVerdict].
//
// # Seams
//
// [Target] is a system under test as the run sees it. The machines of the
// local target (dynamo, eventsource, lambda, gateway) do not import each other,
// nor the faults: they ask an [Injector] what should go wrong, and tell an
// [Observer] what happened.
package bench
