package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// soak is how many runs a campaign makes; 0: none. ACKPROOF_SOAK sets it.
func soak(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("ACKPROOF_SOAK"))
	if err != nil || n < 1 {
		t.Skip("set ACKPROOF_SOAK to a number of runs: this takes half a minute each")
	}
	return n
}

// campaign makes n runs, as many side by side as -parallel says, and waits for all.
func campaign(t *testing.T, n int, one func(t *testing.T, i int)) {
	t.Run("run", func(t *testing.T) {
		for i := range n {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				one(t, i)
			})
		}
	})
}

// The default scenario passes every time, whatever the seed.
func TestSoakCrash(t *testing.T) {
	t.Parallel()
	campaign(t, soak(t), func(t *testing.T, _ int) {
		s := startAckproof(t, "run", "--quiet")
		if code := s.code(); code != exitPass {
			t.Errorf("exit code %d, want %d", code, exitPass)
		}
		r := resultOf(t, s.latest())
		checkCrash(t, &r, s.latest())
		t.Logf("seed %d: %d acknowledged, %d redelivered, %d killed, response p99 %.2f ms, lag p99 %.0f ms",
			r.Run.Seed, r.Requests.Acknowledged, *r.Deliveries.Redelivered, r.Faults[0].Bitten, *r.ResponseTime.P99, *r.Lag.P99)
	})
}

// ackproof is killed at a random moment of its life. Nothing is left behind, what
// is left can be judged, and it is never a pass and never a loss.
func TestSoakKilled(t *testing.T) {
	t.Parallel()
	n := soak(t)
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	campaign(t, n, func(t *testing.T, i int) {
		s := startAckproof(t, "run", "crash", "--quiet")
		until(t, time.Minute, "the run directory is made", func() bool {
			_, err := os.Stat(filepath.Join(s.runDir(), "ledger", "header.json"))
			return s.runDir() != "" && err == nil
		})
		after := time.Duration(clock.Draw(seed, "killed after", uint64(i)) * float64(21*time.Second))
		<-time.After(after)
		pids := family(t, s.cmd.Process.Pid)
		s.cmd.Process.Kill()
		s.cmd.Wait()
		until(t, 10*time.Second, "no process is left", func() bool { return !slices.ContainsFunc(pids, alive) })
		judge := startAckproof(t, "reconcile", s.runDir())
		if code := judge.code(); code != exitUnknown {
			t.Errorf("killed after %v: reconcile exits %d, want %d", after, code, exitUnknown)
		}
		r := resultOf(t, s.runDir())
		if r.Items.Lost() != 0 || r.Verdict != bench.VerdictUnknown {
			t.Errorf("killed after %v: verdict %s, %d lost", after, r.Verdict, r.Items.Lost())
		}
		t.Logf("killed after %v: %d sent, %d acknowledged", after, r.Requests.Sent, r.Requests.Acknowledged)
	})
}

// The article's claim, at full length: under an outage of the processor, streams
// neither loses what it acknowledged nor lets its clients wait; sync turns the
// failure into errors of its clients and is slow; fire-and-forget loses what it
// acknowledged.
func TestConformanceArchitectures(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1: this takes two minutes")
	}
	t.Parallel()
	s := startAckproof(t, "run", "--architecture", "all", "outage", "--quiet")
	if code := s.code(); code != exitPass {
		t.Errorf("exit code %d, want %d: streams is the scenario's own", code, exitPass)
	}
	c := readJSON[bench.Comparison](t, filepath.Join(s.latest(), "comparison.json"))
	if len(c.Runs) != 3 {
		t.Fatalf("%d runs compared", len(c.Runs))
	}
	for _, n := range c.Notes {
		if strings.Contains(n, "the harness itself was held up") {
			t.Skipf("the machine stood still, and the outage was another one: %s", n)
		}
	}
	figure := func(architecture, name string) float64 {
		for i, r := range c.Runs {
			for _, f := range c.Figures {
				if r.Architecture == architecture && f.Name == name && f.Values[i] != nil {
					return *f.Values[i]
				}
			}
		}
		t.Fatalf("no %s of %s in the comparison", name, architecture)
		return 0
	}
	if lost := figure(bench.FireAndForget, "lost"); lost == 0 {
		t.Error("fire-and-forget lost nothing")
	}
	if unknown := figure(bench.FireAndForget, "requests.unknown"); unknown != 0 {
		t.Errorf("fire-and-forget told %v clients of its trouble", unknown)
	}
	if lost, unknown := figure(bench.Streams, "lost"), figure(bench.Streams, "requests.unknown"); lost != 0 || unknown != 0 {
		t.Errorf("streams lost %v and left %v clients in doubt", lost, unknown)
	}
	if lost, unknown := figure(bench.Sync, "lost"), figure(bench.Sync, "requests.unknown"); lost != 0 || unknown == 0 {
		t.Errorf("sync lost %v and left %v clients in doubt", lost, unknown)
	}
	if sync, streams := figure(bench.Sync, "response_time.p50"), figure(bench.Streams, "response_time.p50"); sync < streams+20 {
		t.Errorf("sync answers in %v ms, streams in %v ms: each answer of sync waits for 20 ms of work", sync, streams)
	}
}

// ackproof is killed at a random moment of a run with a fault of commands. Once
// somebody has undone what was left, nothing is open, and no process is there.
func TestSoakKilledWithCommands(t *testing.T) {
	t.Parallel()
	n := soak(t)
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	var open atomic.Int64
	campaign(t, n, func(t *testing.T, i int) {
		dir, flag := touching(t, seven, "sleep 0.1; "+remove)
		s := startAckproofIn(t, dir, "run", "touching.yaml", "--quiet")
		until(t, time.Minute, "the run directory is made", func() bool { return s.runDir() != "" })
		<-time.After(time.Duration(clock.Draw(seed, "killed after", uint64(i)) * float64(6*time.Second)))
		pids := family(t, s.cmd.Process.Pid)
		s.cmd.Process.Kill()
		s.cmd.Wait()
		until(t, 10*time.Second, "no process is left", func() bool { return !slices.ContainsFunc(pids, alive) })
		if there(flag) {
			open.Add(1)
		}
		if code := startAckproofIn(t, dir, "faults", "undo").code(); code != exitPass {
			t.Errorf("run %d: undo exits %d", i, code)
		}
		left, err := os.ReadDir(filepath.Join(dir, "state"))
		if there(flag) || len(left) != 0 || err != nil && !os.IsNotExist(err) {
			t.Errorf("run %d: still open %v, journals %v, %v", i, there(flag), left, err)
		}
	})
	t.Logf("%d of %d were killed with the fault open", open.Load(), n)
}
