// Package suite breaks one processor in a dozen ways, one short run each, and
// tells from what became of the requests which bug it has.
//
//	Probe          one fault, one short run           poison, kill, deny, late ...
//	Observation    which verdicts the run brought     L lost, D duplicated, Q dead-lettered ...
//	fingerprint    the observations of all probes
//	Configuration  a known one, sound or with one bug, and the fingerprint that it must show
//	Diagnosis      the configurations that are nearest, with the evidence
//
// The same table of fingerprints serves twice. `ackproof suite` holds a processor
// against it. `ackproof selftest` holds ackproof against it: each known bug is
// planted, each probe is run, and what the judge finds must be what the table
// says, no more and no less. A checker that is not checked so can pass whatever it
// is shown.
//
// A letter says that a verdict was there, not how often: counts depend on the
// load, letters on the bug. What a sound system may show (a dead letter where
// every retry was used up) is in the table too, in lower case.
//
// [Observe] and [Diagnose] are pure. [Virtual] runs a cell of the matrix in the
// time of a bubble of testing/synctest, in this process; a run on real processes
// is the caller's.
package suite
