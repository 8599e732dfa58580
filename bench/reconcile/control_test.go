package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// The fault of the world covers 30 to 59 of 90 requests, due a hundredth of a second
// apart.

func TestControlIsJudgedApart(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		do     func(*world)
		sent   int64
		failed int64
		clean  string // "": nobody can tell
	}{
		{"a good run", func(*world) {}, 30, 0, "yes"},
		{"a loss in the window", func(w *world) { w.noEffect(30, 44) }, 30, 0, "yes"},
		{"a loss after it", func(w *world) { w.noEffect(80) }, 30, 0, "yes"},
		{"a loss before it", func(w *world) { w.noEffect(10) }, 30, 1, "no"},
		{"a write lost before it", func(w *world) { w.vanish(10, 29) }, 30, 2, "no"},
		{"what was under way when it struck", func(w *world) { w.e.Faults[0].Reach = 25 * ms; w.noEffect(28, 29) }, 28, 0, "yes"},
		{"and what was not", func(w *world) { w.e.Faults[0].Reach = 25 * ms; w.noEffect(26, 29) }, 28, 1, "no"},
		{"handed over once more later", func(w *world) {
			w.noEffect(10)
			again := w.deliveries[10]
			again.At = testStart.Add(due(31))
			w.deliveries = append(w.deliveries, again)
		}, 30, 0, "yes"},
		{"applied once more later", func(w *world) {
			w.changeEffect(10, func(e *bench.Effect) { e.Count, e.At = 2, testStart.Add(due(31)) })
		}, 30, 0, "yes"},
		{"applied twice at once", func(w *world) { w.changeEffect(10, func(e *bench.Effect) { e.Count = 2 }) }, 30, 1, "no"},
		{"applied twice, nobody knows when", func(w *world) {
			w.changeEffect(10, func(e *bench.Effect) { e.Count, e.At = 2, time.Time{} })
		}, 30, 0, "yes"},
		{"duplicates allowed", func(w *world) {
			w.e.Guarantee.Effects = AtLeastOnce
			w.changeEffect(10, func(e *bench.Effect) { e.Count = 2 })
		}, 30, 0, "yes"},
		{"dead letters allowed", func(w *world) { w.noEffect(10); w.deadLetter(true, 10); w.e.Guarantee.DeadLettersAllowed = true }, 30, 0, "yes"},
		{"dead letters not allowed", func(w *world) { w.noEffect(10); w.deadLetter(true, 10) }, 30, 1, "no"},
		{"pending", func(w *world) { w.noEffect(10); w.undrained() }, 30, 0, ""},
		{"a fault at once", func(w *world) { w.e.Faults[0].Reach = time.Hour; w.noEffect(10) }, 0, 0, ""},
		{"a fault by number that never struck", func(w *world) {
			w.e.Faults = append(w.e.Faults, Fault{Text: "on PutItem 9999: table.cut"})
		}, 30, 0, "yes"},
		{"the first of two", func(w *world) {
			w.e.Faults = append(w.e.Faults, Fault{Text: "earlier", From: due(20), To: due(22), Bitten: 1})
			w.noEffect(19, 25)
		}, 20, 1, "no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(90)
			tt.do(w)
			a := w.judge()
			c := a.Control
			if c.Sent != tt.sent || c.Failed != tt.failed {
				t.Errorf("%d sent, %d failed, want %d and %d: %v", c.Sent, c.Failed, tt.sent, tt.failed, a.Reasons)
			}
			if clean := map[string]*bool{"yes": new(true), "no": new(bool)}[tt.clean]; (clean == nil) != (c.Clean == nil) || clean != nil && *clean != *c.Clean {
				t.Errorf("clean %v, want %q", c.Clean, tt.clean)
			}
			if told := hasCode(a, bench.CodeControlNotClean); told != (tt.failed > 0) {
				t.Errorf("reasons %v", a.Reasons)
			}
			if hasCode(a, bench.CodeControlNotClean) && a.Verdict != bench.Fail {
				t.Errorf("verdict %s", a.Verdict)
			}
		})
	}
}

func TestControlOfARunWithoutFaults(t *testing.T) {
	w := newWorld(90)
	w.e.Faults = nil
	w.noEffect(10)
	if a := w.judge(); a.Control != nil || hasCode(a, bench.CodeControlNotClean) {
		t.Errorf("%+v %v", a.Control, a.Reasons)
	}
}

func TestControlSaysWhatFailed(t *testing.T) {
	w := newWorld(90)
	w.noEffect(3, 4)
	w.vanish(9)
	a := w.judge()
	r := a.Reasons[len(a.Reasons)-1]
	for _, part := range []string{"of 30 items due in the first 300ms", "1 lost write, 2 lost processing", "not to blame"} {
		if !strings.Contains(r.Text, part) {
			t.Errorf("%q does not say %q", r.Text, part)
		}
	}
}

// A loss that was due just before a window, and under way when it began, is the
// fault's; so is one that a strike still hit by which it had ended.
func TestLossIsTheFaultsThatItWasUnderWayFor(t *testing.T) {
	w := newWorld(90)
	w.e.Faults[0].Reach, w.e.Faults[0].Lasts = 20*time.Millisecond, 30*time.Millisecond
	w.e.Faults = append(w.e.Faults, Fault{Text: "idle", From: due(60), To: due(70), Reach: time.Second})
	w.noEffect(10, 27, 28, 29, 30, 59, 60, 62, 64, 65, 80)
	a := w.judge()
	if !slices.Equal(a.FaultLoss, []int64{4, 4}) {
		t.Errorf("fault loss %v", a.FaultLoss)
	}
	w.e.Faults = w.e.Faults[:1]
	a = w.judge()
	if !slices.Equal(a.FaultLoss, []int64{7}) {
		t.Errorf("fault loss %v", a.FaultLoss)
	}
	during := map[uint64]bool{}
	for _, f := range a.Findings {
		during[f.Seq] = f.DuringFault != ""
	}
	for seq, want := range map[uint64]bool{10: false, 27: false, 28: true, 59: true, 62: true, 64: true, 65: false, 80: false} {
		if during[seq] != want {
			t.Errorf("%d during a fault: %v", seq, during[seq])
		}
	}
}
