// Package breakage is what a run breaks outside its own processes, and how that
// is put right again whatever becomes of the run.
//
// What the local target breaks dies with its processes. What a command of the
// user's breaks does not: a firewall rule outlives ackproof. So what will undo it
// is on disk, synced, before anything is broken:
//
//	Begin   the journal says how to undo it ─► count ─► do
//	End     count ─► undo ─► confirm ─► the journal says that it is over
//
// A journal is a file of JSON lines in the run directory, open-faults.jsonl, which
// has a second name in a folder of the user's, so that the next ackproof finds it
// wherever it runs and even if the run directory was removed. Whoever lives holds
// a lock of flock(2) on it, which the kernel takes away from a process that is
// killed: a journal that can be locked was left. When nothing is open any more
// both names are removed.
//
// An undoing may be done twice, and after a breaking that was cut off halfway. The
// user's commands must bear that.
package breakage
