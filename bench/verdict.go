package bench

import (
	"encoding/json"
	"fmt"
)

// Verdict is the answer of a run.
type Verdict string

// The verdicts of a run. fail beats unknown beats pass.
const (
	Pass              Verdict = "pass"
	Fail              Verdict = "fail"
	VerdictUnknown    Verdict = "unknown"
	verdictUnassigned Verdict = ""
)

// Worse returns the worse of two verdicts. Nothing is no pass: the empty
// verdict counts as unknown.
func (v Verdict) Worse(w Verdict) Verdict {
	if v.rank() >= w.rank() {
		return v.orUnknown()
	}
	return w.orUnknown()
}

func (v Verdict) rank() int {
	switch v {
	case Pass:
		return 0
	case Fail:
		return 2
	}
	return 1
}

func (v Verdict) orUnknown() Verdict {
	if v == verdictUnassigned {
		return VerdictUnknown
	}
	return v
}

// ItemVerdict is what became of one sent id.
type ItemVerdict uint8

// The item verdicts, in the order in which reports list them.
const (
	NoVerdict ItemVerdict = iota
	Processed
	ProcessedLate
	Recovered
	NotApplied
	Rejected
	Partial
	Superseded
	LostWrite
	LostProcessing
	Duplicated
	WrongEffect
	Phantom
	OrphanEffect
	Unexpected
	DeadLettered
	Pending
	Unread
	itemVerdicts // how many there are
)

var itemVerdictNames = [itemVerdicts]string{
	"", "processed", "processed_late", "recovered", "not_applied", "rejected", "partial", "superseded",
	"lost_write", "lost_processing", "duplicated", "wrong_effect", "phantom", "orphan_effect", "unexpected",
	"dead_lettered", "pending", "unread",
}

// ItemVerdicts lists all of them, in order.
func ItemVerdicts() []ItemVerdict {
	all := make([]ItemVerdict, 0, itemVerdicts-1)
	for v := Processed; v < itemVerdicts; v++ {
		all = append(all, v)
	}
	return all
}

// String gives the verdict's name as files and reports spell it.
func (v ItemVerdict) String() string { return name(itemVerdictNames[:], uint8(v)) }

// MarshalJSON writes the name.
func (v ItemVerdict) MarshalJSON() ([]byte, error) { return json.Marshal(v.String()) }

// UnmarshalJSON reads the name.
func (v *ItemVerdict) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	for i, n := range itemVerdictNames {
		if n == s {
			*v = ItemVerdict(i)
			return nil
		}
	}
	return fmt.Errorf("unknown item verdict %q", s)
}

// Fails reports whether one such item fails the run whatever the scenario
// says. DeadLettered fails it only where guarantee.deadLetters is fail.
func (v ItemVerdict) Fails() bool {
	switch v {
	case LostWrite, LostProcessing, Duplicated, WrongEffect, Phantom, OrphanEffect, Unexpected:
		return true
	}
	return false
}

// Undecided reports whether one such item makes the run unknown.
func (v ItemVerdict) Undecided() bool { return v == Pending || v == Unread }

// Station is a place in the life of a request.
type Station string

// The stations, in order. A lost id names the last one at which it was seen.
const (
	StationSent         Station = "sent"
	StationAcknowledged Station = "acknowledged"
	StationStored       Station = "stored"
	StationDelivered    Station = "delivered"
	StationEffect       Station = "effect"
)

// Gate names one piece of evidence that a pass needs.
type Gate string

// The account gates: each alone turns pass into unknown.
const (
	GateAcknowledged         Gate = "acknowledged"
	GatePlanComplete         Gate = "plan_complete"
	GateRateKept             Gate = "rate_kept"
	GateEvidenceAroundFaults Gate = "evidence_around_faults"
	GateFaultsBit            Gate = "faults_bit"
	GateFaultsUndone         Gate = "faults_undone"
	GateCleanStart           Gate = "clean_start"
	GateLedgerComplete       Gate = "ledger_complete"
	GateReadsComplete        Gate = "reads_complete"
	GateReadsAgree           Gate = "reads_agree"
	GateDrained              Gate = "drained"
	GateEffectsObserved      Gate = "effects_observed"
	GateHarnessAlive         Gate = "harness_alive"
)

// The timing gates: while one is down a missed timing expectation is unknown.
const (
	GateSendDelay    Gate = "send_delay"
	GateGeneratorCPU Gate = "generator_cpu"
)

// AccountGates lists the gates that decide about losses and duplicates.
func AccountGates() []Gate {
	return []Gate{
		GateAcknowledged, GatePlanComplete, GateRateKept, GateEvidenceAroundFaults, GateFaultsBit, GateFaultsUndone,
		GateCleanStart, GateLedgerComplete, GateReadsComplete, GateReadsAgree, GateDrained, GateEffectsObserved, GateHarnessAlive,
	}
}

// TimingGates lists the gates that decide about timing expectations alone.
func TimingGates() []Gate { return []Gate{GateSendDelay, GateGeneratorCPU} }

// Code is a reason for a verdict; the list is closed. The name of each item
// verdict and of each gate is a code too.
type Code string

// The codes that are neither an item verdict nor a gate.
const (
	CodeExpectation      Code = "expectation_missed"
	CodeExpectationUnk   Code = "expectation_unobserved"
	CodeDrainedBySilence Code = "drained_by_silence"
	CodeBlockedShard     Code = "blocked_shard"
	CodeItemsNotObserved Code = "items_not_observed"
	CodeWorkerCap        Code = "worker_cap"
	CodeInterrupted      Code = "interrupted"
	CodeDamaged          Code = "evidence_damaged"  // a file of the run is not as it was written
	CodeControlNotClean  Code = "control_not_clean" // items failed before anything was broken
)

// Codes lists all of them: first those of this list, then the names of the item
// verdicts and of the gates.
func Codes() []Code {
	codes := []Code{
		CodeExpectation, CodeExpectationUnk, CodeDrainedBySilence, CodeBlockedShard, CodeItemsNotObserved, CodeWorkerCap, CodeInterrupted, CodeDamaged,
		CodeControlNotClean,
	}
	for _, v := range ItemVerdicts() {
		codes = append(codes, Code(v.String()))
	}
	for _, g := range append(AccountGates(), TimingGates()...) {
		codes = append(codes, Code(g))
	}
	return codes
}

// Stations lists the stations, in order.
func Stations() []Station {
	return []Station{StationSent, StationAcknowledged, StationStored, StationDelivered, StationEffect}
}
