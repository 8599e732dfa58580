package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/scenarios"
)

// The built-in scenarios, each with the exit code that it must have and what
// else must be so.
var builtins = []struct {
	name  string
	code  int
	check func(t *testing.T, r *bench.Result, dir string)
}{
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
	{"poison", exitUnknown, checkPoison},
	{"poison-bisect", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.DeadLettered != 1 || r.Items.Processed != r.Requests.Planned-1 || *r.Deliveries.Redelivered == 0 {
			t.Errorf("%d dead-lettered, %d of %d processed, %d redelivered: want the bad record alone, found by delivering others again",
				r.Items.DeadLettered, r.Items.Processed, r.Requests.Planned, *r.Deliveries.Redelivered)
		}
	}},
	{"partial-answer", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		// Without bisecting the healthy records behind the bad one go with it.
		if n := r.Items.DeadLettered; n < 2 || n > 100 || r.Items.Processed != r.Requests.Planned-n {
			t.Errorf("%d dead-lettered, %d of %d processed", n, r.Items.Processed, r.Requests.Planned)
		}
	}},
	{"ignored-answer", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		// One answer that nobody read: at most one batch, delivered and gone.
		if n := r.Items.LostProcessing; n < 1 || n > 100 || *r.Deliveries.Redelivered != 0 {
			t.Errorf("%d lost in processing, %d redelivered", n, *r.Deliveries.Redelivered)
		}
	}},
	{"late-start", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		// Up to five seconds of the load, less what it took to start.
		if n := r.Items.LostProcessing; n < 100 || n > 200+3*200 || r.Findings[0].Seq != 0 || r.Items.Pending != 0 {
			t.Errorf("%d lost in processing, the first is %d, %d pending", n, r.Findings[0].Seq, r.Items.Pending)
		}
	}},
	{"lanes", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.Processed != r.Requests.Planned || *r.Deliveries.Redelivered == 0 || r.Faults[0].Bitten == 0 {
			t.Errorf("%d of %d processed, %d redelivered, %d killed", r.Items.Processed, r.Requests.Planned, *r.Deliveries.Redelivered, r.Faults[0].Bitten)
		}
	}},
	{"outage", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if rec := r.Faults[0].RecoveryMs; rec == nil || *rec <= 0 {
			t.Errorf("recovery %v after an outage of six seconds", rec)
		}
	}},
	// What the gateway decides. The counts are exact: each follows from the
	// strikes, or from the plan.
	{"naive-mapping", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		bitten := r.Faults[0].Bitten
		if bitten == 0 || r.Items.LostWrite != bitten || r.Requests.Acknowledged != r.Requests.Planned || r.Items.Processed != r.Requests.Planned-bitten {
			t.Errorf("%d writes throttled, %d of %d acknowledged, %d lost, %d processed", bitten, r.Requests.Acknowledged, r.Requests.Planned, r.Items.LostWrite, r.Items.Processed)
		}
	}},
	{"throttled", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		bitten := r.Faults[0].Bitten
		if bitten == 0 || r.Items.Rejected != bitten || r.Requests.Refused != bitten || r.Items.Processed != r.Requests.Planned-bitten {
			t.Errorf("%d writes throttled, %d requests refused, %d rejected, %d processed", bitten, r.Requests.Refused, r.Items.Rejected, r.Items.Processed)
		}
	}},
	{"gateway-limit", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.Rejected != r.Requests.Refused || r.Items.Processed != r.Requests.Acknowledged {
			t.Errorf("%d refused, %d rejected; %d acknowledged, %d processed", r.Requests.Refused, r.Items.Rejected, r.Requests.Acknowledged, r.Items.Processed)
		}
	}},
	{"late-answer", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Requests.Unknown == 0 || r.Items.Recovered != r.Requests.Unknown || r.Items.Processed != r.Requests.Acknowledged {
			t.Errorf("%d requests unknown, %d recovered; %d acknowledged, %d processed", r.Requests.Unknown, r.Items.Recovered, r.Requests.Acknowledged, r.Items.Processed)
		}
	}},
	{"overwrite", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.LostWrite != r.Requests.Planned*9/10 || *r.Items.WrongEffect == 0 || r.Requests.Acknowledged != r.Requests.Planned {
			t.Errorf("%d of %d acknowledged, %d lost, %d wrong", r.Requests.Acknowledged, r.Requests.Planned, r.Items.LostWrite, *r.Items.WrongEffect)
		}
	}},
	{"escape", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if *r.Items.WrongEffect != r.Requests.Planned {
			t.Errorf("%d of %d with a wrong effect", *r.Items.WrongEffect, r.Requests.Planned)
		}
	}},
	{"passthrough", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.LostWrite != r.Requests.Planned || r.Requests.Acknowledged != r.Requests.Planned {
			t.Errorf("%d of %d acknowledged, %d lost", r.Requests.Acknowledged, r.Requests.Planned, r.Items.LostWrite)
		}
	}},
}

func TestBuiltinScenariosEndAsTheySay(t *testing.T) {
	if len(builtins) != len(scenarios.Builtins()) {
		t.Errorf("%d built-in scenarios, %d of them are tested", len(scenarios.Builtins()), len(builtins))
	}
	for _, tt := range builtins {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startAckproof(t, "run", tt.name, "--quiet")
			if code := s.code(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			r := resultOf(t, s.latest())
			t.Logf("seed %d, verdict %s, reasons %v", r.Run.Seed, r.Verdict, r.Reasons)
			if tt.code != exitUnknown {
				for _, g := range r.Gates {
					if !g.OK && g.Name != bench.GateSendDelay {
						t.Errorf("gate %s is down: %s", g.Name, g.Detail)
					}
				}
			}
			tt.check(t, &r, s.latest())
		})
	}
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
func checkPoison(t *testing.T, r *bench.Result, _ string) {
	bad := bench.ID{Run: r.Run.ID, Seq: 600}.String()
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
