package main

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/local"
)

// crashed is a short run with everything in it that a run has. Its length sets
// that of a campaign of 200.
const crashed = `
name: crashed
load: [{name: steady, for: 2s, rate: 400/s}]
processor: {work: 1ms, concurrency: 2}
faults: ["at 700ms for 600ms every 200ms: processor.kill after-write 5"]
`

// answerSlack is how long an answer may be on its way from the gateway's log
// into the ledger, on a machine that is busy.
const answerSlack = 250 * time.Millisecond

// ackproof is killed at a random moment, and the gateway, which nobody killed,
// says what it had answered by then: the ledger knows of each of these requests
// that it was sent, and of each answer that was out a while before the kill that
// it was an acknowledgement. Nothing is lost that was never sent.
//
// One run by default, ACKPROOF_SOAK of them in a campaign.
func TestSoakAKilledRunKeepsEveryAnswer(t *testing.T) {
	live(t)
	t.Parallel()
	n, err := strconv.Atoi(os.Getenv("ACKPROOF_SOAK"))
	if err != nil || n < 1 {
		n = 1
	}
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	var answered, open atomic.Int64
	campaign(t, n, func(t *testing.T, i int) {
		// The first one falls into the load, so that no campaign is of kills before
		// and after it alone.
		share := clock.Draw(seed, "killed after", uint64(i))
		underLoad, after := i == 0, time.Duration(share*float64(5*time.Second))
		if underLoad {
			after = time.Duration(share*float64(time.Second)) + 500*time.Millisecond
		}
		a, o := killAndCompare(t, underLoad, after)
		answered.Add(int64(a))
		open.Add(int64(o))
	})
	t.Logf("%d answers were out in time, %d requests were on the wire", answered.Load(), open.Load())
	if answered.Load() == 0 && !t.Failed() {
		t.Error("no answer was compared")
	}
}

// killAndCompare kills a run some time after its directory was made, or after
// its load began. It returns how many answers were compared, and how many
// requests were on the wire when it was killed.
func killAndCompare(t *testing.T, underLoad bool, after time.Duration) (answered, open int) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "crashed.yaml"), []byte(crashed), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startAckproofWith(t, dir, []string{local.AnswersEnv + "=1"}, "run", "crashed.yaml", "--quiet")
	begin := filepath.Join("ledger", "header.json")
	if underLoad {
		begin = local.AnswersFile // made when the gateway comes up; it holds a line from the first request on
	}
	until(t, time.Minute, "the run has begun", func() bool {
		info, err := os.Stat(filepath.Join(s.runDir(), begin))
		return s.runDir() != "" && err == nil && info.Size() > 0
	})
	<-time.After(after)
	pids := family(t, s.cmd.Process.Pid)
	killed := clock.Real{}.Now()
	s.cmd.Process.Kill()
	s.cmd.Wait()
	until(t, 10*time.Second, "no process is left", func() bool { return !slices.ContainsFunc(pids, alive) })

	run := s.runDir()
	events, _ := os.ReadFile(filepath.Join(run, "events.jsonl"))
	over := bytes.Contains(events, []byte(`"finished"`))
	judge := startAckproof(t, "reconcile", run)
	if code := judge.code(); code != exitUnknown && !(over && code == exitPass) {
		t.Errorf("killed after %v: reconcile exits %d", after, code)
	}
	r := resultOf(t, run)
	if r.Items.Lost() != 0 || r.Items.Unexpected != nil && *r.Items.Unexpected != 0 {
		t.Errorf("killed after %v: %d lost, %d stored that were never sent", after, r.Items.Lost(), *r.Items.Unexpected)
	}
	book, err := ledger.Open(filepath.Join(run, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	for _, p := range book.Problems() {
		t.Errorf("killed after %v: %s", after, p)
	}
	answers := answersOf(t, run)
	for _, p := range unaccounted(book, answers, killed.Add(-answerSlack)) {
		t.Errorf("killed after %v: %s", after, p)
	}
	for _, a := range answers {
		if a.Status == 200 && a.At.Before(killed.Add(-answerSlack)) {
			answered++
		}
	}
	for _, state := range book.All() {
		if state == ledger.SentOnly {
			open++
		}
	}
	t.Logf("killed after %v: %d of %d sent, %d on the wire, %d answers compared, verdict %s",
		after, r.Requests.Sent, r.Requests.Planned, open, answered, r.Verdict)
	return answered, open
}

// answersOf reads the gateway's log. A torn last line, of a gateway that was
// killed with its parent, was not finished.
func answersOf(t *testing.T, dir string) (all []local.Answered) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, local.AnswersFile))
	if err != nil && !os.IsNotExist(err) { // killed before there was a gateway
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var a local.Answered
		if err := json.Unmarshal([]byte(line), &a); err != nil && strings.HasSuffix(line, "\n") {
			t.Fatalf("%s: %q: %v", local.AnswersFile, line, err)
		} else if err == nil {
			all = append(all, a)
		}
	}
	return all
}

// requests is the ledger, as far as it is held against the gateway.
type requests interface {
	At(seq uint64) (bench.Attempt, ledger.State)
}

// unaccounted lists the answers that the ledger does not know as it should.
func unaccounted(book requests, answers []local.Answered, until time.Time) (problems []string) {
	for _, a := range answers {
		id, err := bench.ParseID(a.ID)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		attempt, state := book.At(id.Seq)
		switch {
		case state == ledger.Unsent:
			problems = append(problems, fmt.Sprintf("%s was answered, and was never sent", a.ID))
		case a.Status == 200 && a.At.Before(until) && attempt.Outcome != bench.Acknowledged:
			problems = append(problems, fmt.Sprintf("%s was answered %v before the kill, and is %s (%s)", a.ID, until.Add(answerSlack).Sub(a.At), attempt.Outcome, state))
		}
	}
	return problems
}

// The comparison sees what it is there for: an answer that the ledger forgot, and
// a request that it never knew of.
func TestAnAnswerThatTheLedgerForgotIsSeen(t *testing.T) {
	killed := clock.Real{}.Now()
	id := bench.NewRunID(7)
	dir := t.TempDir()
	w, err := ledger.Create(dir, ledger.Header{Run: id, Planned: 3, Created: killed})
	if err != nil {
		t.Fatal(err)
	}
	w.Sent(0, 0, 1)
	w.Done(bench.Attempt{Seq: 0, Outcome: bench.Acknowledged, Class: bench.ClassStatus, Status: 200, Sent: 1, End: 2})
	w.Sent(1, 0, 1)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	book, err := ledger.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	answer := func(seq uint64, before time.Duration) local.Answered {
		return local.Answered{ID: bench.ID{Run: id, Seq: seq}.String(), Status: 200, At: killed.Add(-before)}
	}
	for _, tt := range []struct {
		name    string
		answers []local.Answered
		want    int
	}{
		{"all accounted for", []local.Answered{answer(0, time.Second), answer(1, time.Millisecond)}, 0},
		{"an answer forgotten", []local.Answered{answer(1, time.Second)}, 1},
		{"a request unknown", []local.Answered{answer(2, time.Millisecond)}, 1},
	} {
		if got := unaccounted(book, tt.answers, killed.Add(-answerSlack)); len(got) != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
