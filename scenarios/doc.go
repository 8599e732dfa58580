// Package scenarios is what is offered: an experiment as a value, read from a
// strict YAML file, and its plan, in which every request is a pure function of
// scenario, run, seed and number.
//
//	file, --set ─► decode ─► Scenario ─► NewPlan ─► Request(seq), Due(seq), Body(seq)
//	             (positions) (checked)      │
//	                           └─► Stack    └─► the judge asks again: Digest(seq)
//
// # Strict
//
// A scenario decides what a verdict means, so nothing in it may be ignored in
// silence. An unknown key is an error that names the nearest known one; a
// setting that is known but not built yet is an error too, once it differs from
// its default. All errors are reported at once, each with file, line, column
// and key. The decoder walks the syntax tree itself for that reason: a decoder
// that fills structs stops at the first error and forgets where values came
// from, and half of what can be wrong is found only when values are compared.
//
// # Pure
//
// When a request is due has a closed form (plan.go), so the schedule of a
// billion requests takes no memory, and the reconciliation of an old run
// rebuilds exactly what was sent.
package scenarios
