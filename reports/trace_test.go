package reports

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ackproof/ackproof/bench"
)

// redelivered is the life of a request whose processor was killed.
func redelivered() *bench.Trace {
	step := func(kind bench.TraceKind, since float64, text string) bench.TraceStep {
		return bench.TraceStep{Kind: kind, TMs: ptr(4800 + since), SinceDueMs: ptr(since), Text: text}
	}
	delivered := func(since float64, attempt int, pid int, outcome, text string) bench.TraceStep {
		s := step(bench.TraceDelivered, since, text)
		s.Shard, s.Sequence, s.Batch, s.Attempt, s.PID, s.Outcome = "shardId-7", "100059216", ptr(uint64(19)), &attempt, pid, outcome
		return s
	}
	committed := step(bench.TraceCommitted, 1.117, "in the table and its stream")
	committed.Shard, committed.Sequence = "shardId-7", "100059216"
	dead := step(bench.TraceProcessDeath, 334, "process 4 killed by fault processor.kill: signal: killed")
	dead.PID = 4012
	life := &bench.Trace{
		Schema: bench.TraceSchema, ID: "dptgg7sz-00-0000000960", Seq: 960, Planned: 12400, Phase: "steady", DueMs: ptr(4800.0),
		Run:    bench.TraceRun{ID: "dptgg7sz", Scenario: "crash", Target: "local", Architecture: bench.Streams},
		Ledger: "finished", Outcome: "acknowledged", Class: "status", Status: ptr(200), ResponseTimeMs: ptr(1.25), ServiceTimeMs: ptr(0.94),
		Verdict: "lost_processing", Stored: ptr(true), Count: ptr(int64(0)), Delivers: ptr(int64(2)),
		Finding: &bench.Finding{Verdict: bench.LostProcessing, LastStation: bench.StationDelivered, Position: "middle"},
		Faults:  []bench.TraceFault{{Text: "at 4s for 6s every 1s: processor.kill after-write 10", FromMs: 4000, ToMs: 10000, Due: true}},
		Steps: []bench.TraceStep{
			step(bench.TraceDue, 0, "the plan wants it sent"), step(bench.TraceSent, 0.307, "handed to a connection"), committed,
			step(bench.TraceAnswered, 1.25, "acknowledged, status 200"),
			delivered(261, 1, 4012, "crash", "handed to the processor, which died"), dead,
			delivered(420, 2, 0, "error", "handed to the processor, which returned an error"),
			delivered(516, 3, 0, "ok", "handed to the processor, which succeeded"),
		},
		Unknown: []string{"which process had batch 19, attempt 2: events.jsonl tells of no death that fits"},
	}
	life.Steps[6].Among, life.Steps[7].Among = []int{4013, 4014}, []int{1, 2, 3, 4, 5}
	return life
}

func traceText(t *testing.T, tr *bench.Trace, opt Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := TraceTerminal(&b, tr, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTraceTerminal(t *testing.T) {
	golden(t, "trace-lost.txt", []byte(traceText(t, redelivered(), Options{Width: 100, Dir: "runs/latest"})))

	blocked := redelivered()
	blocked.Verdict, blocked.Finding = "pending", nil
	again := blocked.Steps[4]
	for range 5000 {
		blocked.Steps = append(blocked.Steps, again)
	}
	golden(t, "trace-blocked.txt", []byte(traceText(t, blocked, Options{Width: 80})))

	found := &bench.Trace{ID: "dptgg7sz-00-0000099999", Seq: 99999, Planned: 12400, Verdict: "unexpected",
		Steps:   []bench.TraceStep{{Kind: bench.TraceEffect, TMs: ptr(-70.5), Text: "applied once"}, {Kind: bench.TraceEffect, Text: "applied once"}},
		Unknown: []string{"who wrote it"}}
	golden(t, "trace-unexpected.txt", []byte(traceText(t, found, Options{})))
}

// Whatever the trace, a line fits, nothing steers the terminal, and without
// colour there is none.
func TestTraceTerminalOfAnything(t *testing.T) {
	hostile := redelivered()
	evil := "\x1b[31mred\u202e\r\n" + strings.Repeat("x", 1000)
	hostile.ID, hostile.Phase, hostile.Faults[0].Text, hostile.Run.Scenario, hostile.Unknown = evil, evil, evil, evil, []string{evil}
	for i := range hostile.Steps {
		hostile.Steps[i].Text, hostile.Steps[i].Shard, hostile.Steps[i].Sequence, hostile.Steps[i].Kind = evil, evil, evil, bench.TraceKind(evil)
	}
	for _, tr := range []*bench.Trace{hostile, {}, {Verdict: "no such verdict"}} {
		text := traceText(t, tr, Options{Width: 80})
		if strings.ContainsAny(text, "\x1b\u202e\r") {
			t.Errorf("what is from outside steers the terminal:\n%q", text)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%d characters: %s", n, line)
			}
		}
	}
	if text := traceText(t, redelivered(), Options{Color: true}); !strings.Contains(text, "\x1b[1;31mLOST PROCESSING") {
		t.Errorf("a loss is not red:\n%q", text)
	}
	if err := TraceTerminal(new(brokenPipe), redelivered(), Options{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a writer that fails: %v", err)
	}
}
