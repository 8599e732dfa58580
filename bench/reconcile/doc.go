// Package reconcile is the judge: it joins what the client was told with what
// was stored and processed, gives every sent id exactly one verdict, and the
// run another. It is a pure function of [Evidence] and shares no code with the
// machines that it judges.
//
// # How an id gets its verdict
//
// The first line that matches decides. Stored means found in a final read or
// seen in the stream; where no items table is named, acknowledged or with an
// effect counts as stored. Absence is known only from a read that is complete.
//
//	evidence that the decision needs is missing          unread
//	refused, and stored or with an effect                phantom           fails
//	refused                                              rejected
//	an effect, not stored                                orphan_effect     fails
//	acknowledged, not stored    readable dead letter     dead_lettered
//	                            not drained              pending
//	                            else                     lost_write        fails
//	unknown, not stored         not drained              pending
//	                            else                     not_applied
//	more applications than the guarantee allows          duplicated        fails
//	wrong digest, or older than what is stored           wrong_effect      fails
//	effect right                unknown                  recovered
//	                            after the deadline       processed_late
//	                            else                     processed
//	stored, no effect           readable dead letter     dead_lettered
//	                            not drained              pending
//	                            sync and unknown         partial
//	                            one row a key            superseded, wrong_effect; see below
//	                            else                     lost_processing   fails
//	never sent, and stored or with an effect             unexpected        fails
//
// Where a drain was not proven, what is settled beside the shard that is blocked
// is over all the same: without an effect it is lost and not pending.
//
// Three readings of that table that are not obvious:
//
//   - What two reads found is joined: a thing seen once was there. For dead
//     letters it is the other way about: what the last read could no longer
//     read back is none.
//   - An effect that is older than the newest write of its item is wrong only
//     when the pipeline is drained; until then the newer one may be on its way.
//   - A count that is null is lifted to what was proven: one duplicate seen is
//     reported even if other rows do not tell how often they were applied.
//
// # Versions of an item
//
// Where requests share keys ([Evidence.Key]), each writes a version of its key's
// item, and each version is a request with a verdict of its own: it must be stored,
// delivered and applied once, also where a newer one has replaced it by then. The
// items table shows of each key its final item alone; the results table has a row
// for each version, and one for each key that shows the latest effect.
//
//   - A version is stored if it was seen in the stream, or is the final item of its
//     key, or has an effect. Of one that was acknowledged and is none of these,
//     lost_write is said where the stream was read whole ([Evidence.StreamWhole]),
//     else unread: it may have been stored and overwritten. Where there is no
//     stream, it is lost_write if it has no effect either.
//   - The order of a key's versions is that of the stream: which of two concurrent
//     requests was written first no client knows. The final item is the one in the
//     items table; where that was not read, the one of the key's last record.
//   - The final item's version is wrong_effect if the key's latest effect is of
//     another version, or there is none: an older one came late and was put over it,
//     or the newest has never got there. It is judged so behind all else that may be
//     wrong with that version, and only when the pipeline is drained. Of a version
//     that was overwritten, the latest effect says nothing.
//   - A version that was skipped because a newer one had been applied is
//     lost_processing: what was promised is the work of each. A version that a
//     client sends again under the same id is the same version: applied once.
//   - Sequence numbers of a version's own effect are not compared: sent again behind
//     another version, it has a second record, and its work is done already.
//
// # One row for all versions of an item
//
// A system that is not ours may keep one row for each key, and none for a version
// ([Evidence.PerKey]). It promises that each item comes to show its newest version; the
// work of each version it does not promise, or nobody can see it.
//
//   - The final version is found as above. Its row shows it: the effect is there. The
//     row shows another version: wrong_effect, since an older one was put over it, or
//     the newest was never processed; a row does not tell which. There is no row:
//     lost_processing. Where the row does not say which version it shows, unread.
//   - Any other version that is stored is superseded, unless its row shows it all the
//     same, or a readable dead letter says that it was given up: dead_lettered.
//     Whether it was processed nobody knows, and nothing depends on it.
//   - What is in no table may have been stored before the final version was. Where the
//     stream was read whole, it tells. Else one that was sent after the final version
//     had been acknowledged was never stored, or the item would show it: lost_write
//     (not for fire-and-forget, whose acknowledgement comes before the write). All
//     others are superseded; whether one that was refused was stored is unread.
//   - A row names its version ([bench.Effect]), or it is the final one's where it is
//     made of the final one's last record (sequence number), or else has its content
//     (digest). A row of neither is of another version.
//   - How often a version was applied is not observed: duplicated is null.
//   - A fault proves nothing by requests that are all superseded: one at least that was
//     due in its window must not be (gate evidence_around_faults).
//
// # How the run gets its verdict
//
// A failing item verdict fails the run. Otherwise each gate that is down, each
// item that is pending or unread, an interrupt and a worker cap make it
// unknown. Nothing checked is never a pass.
//
// # Memory
//
// Ids are dense, so sets are slices indexed by the sequence number
// in the id: a map of strings would cost a hundred times as much. A byte is kept
// for each id of the plan, its verdict and its last station; all else is of the
// ids that are judged together, the window: 10 bytes each, and 16 more
// for each of the two logs, commits and deliveries. Each core judges a part of the
// window, and goes through all rows for it. Findings are handed over and not kept.
// Of shared keys 40 bytes each are kept, 56 where they have one row each.
package reconcile
