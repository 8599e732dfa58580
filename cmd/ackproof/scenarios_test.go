package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/scenarios"
)

// builtin is a built-in scenario with the exit code that it must have and what
// else must be so.
type builtin struct {
	name  string
	code  int
	check func(t *testing.T, r *bench.Result, dir string)
}

// The scenarios that every test run plays.
var builtins = []builtin{
	{"crash", exitPass, checkCrash},
	{"baseline", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.Processed != r.Requests.Planned {
			t.Errorf("%d of %d processed", r.Items.Processed, r.Requests.Planned)
		}
	}},
	{"lost-answer", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Requests.Unknown == 0 || r.Items.Recovered != r.Requests.Unknown || r.Faults[0].Bitten != r.Requests.Unknown {
			t.Errorf("%d answers cut, %d requests unknown, %d recovered: want the same number, above 0", r.Faults[0].Bitten, r.Requests.Unknown, r.Items.Recovered)
		}
	}},
	{"lossy", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.LostProcessing == 0 || r.Items.LostWrite != 0 || int64(len(r.Findings)) != r.Items.LostProcessing {
			t.Errorf("%d lost in processing, %d lost writes, %d findings", r.Items.LostProcessing, r.Items.LostWrite, len(r.Findings))
		}
	}},
	{"poison", exitUnknown, checkPoison(600)},
	{"outage", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if rec := r.Faults[0].RecoveryMs; rec == nil || *rec <= 0 {
			t.Errorf("recovery %v after an outage of six seconds", rec)
		}
	}},
}

func TestBuiltinScenariosEndAsTheySay(t *testing.T) {
	tested := map[string]bool{}
	for _, b := range slices.Concat(builtins, rules, losses, duplicates) {
		tested[b.name] = true
	}
	for _, name := range scenarios.Builtins() {
		if !tested[name] {
			t.Errorf("the built-in scenario %s is not tested", name)
		}
	}
	play(t, builtins)
}

// play runs scenarios, two or so at a time, and checks how they end.
func play(t *testing.T, all []builtin) {
	for _, tt := range all {
		playWith(t, tt)
	}
}

// playWith runs a scenario with further arguments.
func playWith(t *testing.T, tt builtin, with ...string) {
	t.Run(strings.Join(append([]string{tt.name}, with...), " "), func(t *testing.T) {
		t.Parallel()
		s := startAckproof(t, append([]string{"run", tt.name, "--quiet"}, with...)...)
		if code := s.code(); code != tt.code {
			t.Errorf("exit code %d, want %d", code, tt.code)
		}
		r := resultOf(t, s.latest())
		t.Logf("seed %d, verdict %s, reasons %v", r.Run.Seed, r.Verdict, r.Reasons)
		if tt.code != exitUnknown {
			for _, g := range r.Gates {
				if !g.OK && g.Name != bench.GateSendDelay && (g.Name != bench.GateDrained || r.Items.Pending == 0) {
					t.Errorf("gate %s is down: %s", g.Name, g.Detail)
				}
			}
		}
		if len(with) == 0 {
			checkPromised(t, tt.name, &r)
		}
		tt.check(t, &r, s.latest())
	})
}

// checkCrash holds the default scenario to its promise: acknowledged in every
// phase, at least six SIGKILLs in mid-batch, each with its process, at least a
// hundred redelivered records, nothing lost, every effect exactly once.
func checkCrash(t *testing.T, r *bench.Result, dir string) {
	for _, p := range r.Phases {
		if p.Acknowledged == 0 {
			t.Errorf("nothing was acknowledged in phase %s", p.Name)
		}
	}
	if r.Items.Lost() != 0 || *r.Items.Duplicated != 0 || r.Items.Processed != r.Requests.Acknowledged {
		t.Errorf("of %d acknowledged, %d processed once, %d lost, %d duplicated", r.Requests.Acknowledged, r.Items.Processed, r.Items.Lost(), *r.Items.Duplicated)
	}
	if n := *r.Deliveries.Redelivered; n < 100 {
		t.Errorf("%d redelivered records, want at least 100", n)
	}
	killed := map[int]bool{}
	for _, e := range lines[event](t, filepath.Join(dir, "events.jsonl")) {
		if e.Kind == string(bench.EventStrike) && e.Fault != nil && *e.Fault == 0 {
			killed[e.PID] = true
		}
	}
	delete(killed, 0)
	if len(killed) < 6 || r.Faults[0].Bitten < 6 {
		t.Errorf("%d processes killed, %d counted, want at least 6", len(killed), r.Faults[0].Bitten)
	}
}

// checkPoison wants the blocked shard named, with the one bad record and how
// many innocent ones wait behind it.
func checkPoison(seq uint64) func(t *testing.T, r *bench.Result, dir string) {
	return func(t *testing.T, r *bench.Result, _ string) {
		bad := bench.ID{Run: r.Run.ID, Seq: seq}.String()
		for _, reason := range r.Reasons {
			if reason.Code == bench.CodeBlockedShard {
				want := "held up by " + bad
				behind := fmt.Sprintf("%d records wait behind it", r.Items.Pending-1)
				if !strings.Contains(reason.Text, want) || !strings.Contains(reason.Text, behind) {
					t.Errorf("%q names neither %q nor %q", reason.Text, want, behind)
				}
				return
			}
		}
		t.Errorf("no blocked shard among %v", r.Reasons)
	}
}
