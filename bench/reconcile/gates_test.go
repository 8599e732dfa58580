package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// alone lists, for each account gate, changes of a good run that take this gate
// down and no other, and leave every item processed.
var alone = map[bench.Gate]map[string]func(*world){
	bench.GateAcknowledged: {"all refused": func(w *world) {
		*w = *newWorld(0)
		w.e.Faults = nil
		w.outcomes, w.e.Planned = []bench.Outcome{bench.Refused}, 1
	}},
	bench.GatePlanComplete: {"cut off": func(w *world) { w.e.LoadFinished = false }},
	bench.GateRateKept: {"six of a hundred unsent": func(w *world) {
		for seq := range uint64(9) { // stage one has 150
			w.outcomes[seq] = bench.Unsent
			w.vanish(seq)
		}
		w.e.Thresholds.RateKept = 0.99
	}},
	bench.GateEvidenceAroundFaults: {
		"before":                  func(w *world) { w.e.Faults[0].From = due(29) },
		"after":                   func(w *world) { w.e.Faults[0].To = due(271) },
		"inside":                  func(w *world) { w.e.Faults[0].To = w.e.Faults[0].From + due(29) },
		"not acknowledged before": func(w *world) { unknownIn(w, 0, 100) },
		"not acknowledged after":  func(w *world) { unknownIn(w, 200, 300) },
		"not acknowledged inside": func(w *world) { unknownIn(w, 100, 200) },
	},
	bench.GateFaultsBit: {
		"never":     func(w *world) { w.e.Faults[0].Bitten = 0 },
		"uncounted": func(w *world) { w.e.Faults[0].Uncounted, w.e.Faults[0].Bitten = true, *w.e.Faults[0].Planned-1 },
	},
	bench.GateFaultsUndone: {"open": func(w *world) { w.e.Faults[0].Undone = false }},
	bench.GateCleanStart: {
		"not clean":    func(w *world) { *w.e.CleanStart = false },
		"not looked":   func(w *world) { w.e.CleanStart = nil },
		"foreign":      func(w *world) { w.e.Reads[1].Foreign = 1 },
		"foreign text": func(w *world) { w.e.Reads[0].Foreign, w.e.Reads[0].ForeignIDs = 3, []string{"x"} },
	},
	bench.GateLedgerComplete: {"torn": func(w *world) { w.e.LedgerProblems = []string{"cells: torn"} }},
	bench.GateReadsComplete: {
		"first":   func(w *world) { w.e.Reads[0].Complete = false },
		"second":  func(w *world) { w.e.Reads[1].Complete = false },
		"problem": func(w *world) { w.e.ReadProblems = []string{"items: torn"} },
	},
	bench.GateReadsAgree: {
		"differ":  func(w *world) { w.e.Reads[1].Fingerprint = "other" },
		"nothing": func(w *world) { w.e.Reads[0].Fingerprint, w.e.Reads[1].Fingerprint = "", "" },
	},
	bench.GateDrained: {
		"no proof":   func(w *world) { w.undrained() },
		"no word":    func(w *world) { w.e.Drain.Proof = "" },
		"other word": func(w *world) { w.e.Drain.Proof = "surely" },
	},
	bench.GateEffectsObserved: {"not counted": func(w *world) { w.changeEffects(func(v *bench.Effect) { v.Count = -1 }) }},
	bench.GateHarnessAlive:    {"died": func(w *world) { w.e.HarnessFinished = false }},
}

func unknownIn(w *world, from, to uint64) {
	for seq := from; seq < to; seq++ {
		w.outcomes[seq] = bench.Unknown
	}
}

// TestEachGateAlone shows that no gate is idle: each has a change that it alone
// notices, and that turns a pass into unknown.
func TestEachGateAlone(t *testing.T) {
	for _, gate := range bench.AccountGates() {
		if len(alone[gate]) == 0 {
			t.Errorf("gate %s has no test", gate)
		}
		for name, change := range alone[gate] {
			t.Run(string(gate)+"/"+name, func(t *testing.T) {
				w := newWorld(300)
				change(w)
				a := w.judge()
				for _, g := range a.Gates {
					if g.OK == (g.Name == gate) {
						t.Errorf("gate %s: %v, %s", g.Name, g.OK, g.Detail)
					}
				}
				if a.Verdict != bench.VerdictUnknown {
					t.Errorf("verdict %s", a.Verdict)
				}
				if len(a.Reasons) != 1 || a.Reasons[0].Code != bench.Code(gate) || a.Reasons[0].Text == "" {
					t.Errorf("reasons %v", a.Reasons)
				}
			})
			t.Run(string(gate)+"/"+name+"/fail beats it", func(t *testing.T) {
				w := newWorld(300)
				change(w)
				if len(w.outcomes) < 300 {
					t.Skip("no item to lose")
				}
				w.outcomes[150] = bench.Refused // a phantom: proven whatever is missing
				if a := w.judge(); a.Verdict != bench.Fail {
					t.Errorf("verdict %s %v", a.Verdict, a.Reasons)
				}
			})
		}
	}
}

// TestAroundSaysWhere: too few before a fault and too few behind it ask for
// opposite remedies, so the gate must not mix them up.
func TestAroundSaysWhere(t *testing.T) {
	for where, change := range map[string]func(*world){
		"before": func(w *world) { w.e.Faults[0].From = due(29) },
		"after":  func(w *world) { w.e.Faults[0].To = due(271) },
		"during": func(w *world) { w.e.Faults[0].To = w.e.Faults[0].From + due(29) },
	} {
		w := newWorld(300)
		change(w)
		for _, g := range w.judge().Gates {
			if g.Name == bench.GateEvidenceAroundFaults && !strings.Contains(g.Detail, "of 30 needed requests were sent "+where+" it") {
				t.Errorf("too few %s: %s", where, g.Detail)
			}
		}
	}
}

func TestGatesLeaveAlone(t *testing.T) {
	tests := map[string]func(*world){
		"no fault":                    func(w *world) { w.e.Faults = nil },
		"accept path struck":          func(w *world) { unknownIn(w, 100, 200); w.e.Faults[0].AcceptPath = true },
		"a moment has no inside":      func(w *world) { w.e.Faults[0].To = w.e.Faults[0].From },
		"fewer strikes than planned":  func(w *world) { w.e.Faults[0].Bitten = 1 },
		"strikes not known before":    func(w *world) { w.e.Faults[0].Planned = nil },
		"just enough before":          func(w *world) { w.e.Faults[0].From = due(30) },
		"threshold lowered":           func(w *world) { w.e.Faults[0].From = due(5); w.e.Thresholds.AroundFaults = 5 },
		"foreign ids in shared table": func(w *world) { w.e.TablesShared = true; w.e.Reads[1].Foreign = 1; w.e.CleanStart = nil },
		"quiet":                       func(w *world) { w.e.Drain.Proof = bench.DrainQuiet },
		"sentinels":                   func(w *world) { w.e.Drain.Proof = bench.DrainSentinels },
		"an idle shard in the list":   func(w *world) { w.e.Blocked = []bench.ShardPosition{{Shard: "s0"}} },
		"95 of 100": func(w *world) {
			w.e.Stages, w.e.Stage = nil, nil
			for seq := range uint64(15) {
				w.outcomes[seq] = bench.Unsent
				w.vanish(seq)
			}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(300)
			change(w)
			if a := w.judge(); a.Verdict != bench.Pass {
				t.Errorf("%s %v", a.Verdict, a.Reasons)
			}
		})
	}
}

func TestInterruptAndWorkerCap(t *testing.T) {
	for code, change := range map[bench.Code]func(*world){
		bench.CodeInterrupted: func(w *world) { w.e.Interrupted = true },
		bench.CodeWorkerCap:   func(w *world) { w.e.WorkerCapHit = true },
	} {
		w := newWorld(300)
		change(w)
		if a := w.judge(); a.Verdict != bench.VerdictUnknown || len(a.Reasons) != 1 || a.Reasons[0].Code != code {
			t.Errorf("%s: %s %v", code, a.Verdict, a.Reasons)
		}
	}
}

// TestTimingGates shows that timing gates have their limits where the rule has
// them, and never touch the account.
func TestTimingGates(t *testing.T) {
	ms := func(n float64) *time.Duration { d := time.Duration(n * float64(time.Millisecond)); return &d }
	cpu := func(v float64) *float64 { return &v }
	tests := []struct {
		name       string
		timing     Timing
		delay, cpu bool
	}{
		{"at the floor", Timing{ms(5), ms(10), cpu(0.8)}, true, true},
		{"above the floor", Timing{ms(5.1), ms(50), cpu(0.81)}, false, false},
		{"a tenth of the response", Timing{ms(100), ms(1000), cpu(0)}, true, true},
		{"more than a tenth", Timing{ms(100.1), ms(1000), cpu(0)}, false, true},
		{"not measured", Timing{}, false, false},
	}
	for _, tt := range tests {
		w := newWorld(300)
		w.e.Timing = tt.timing
		a := w.judge()
		got := map[bench.Gate]bool{}
		for _, g := range a.Gates {
			got[g.Name] = g.OK
		}
		if got[bench.GateSendDelay] != tt.delay || got[bench.GateGeneratorCPU] != tt.cpu {
			t.Errorf("%s: %v", tt.name, a.Gates[len(a.Gates)-2:])
		}
		if a.Verdict != bench.Pass || len(a.Reasons) != 0 {
			t.Errorf("%s: %s %v", tt.name, a.Verdict, a.Reasons)
		}
	}
}
