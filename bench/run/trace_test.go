package run_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/run"
)

func trace(t *testing.T, dir, name string) *bench.Trace {
	t.Helper()
	got, err := run.Trace(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// kinds lists the steps of a trace, and checks that they go forward in time.
func kinds(t *testing.T, tr *bench.Trace) []bench.TraceKind {
	t.Helper()
	var all []bench.TraceKind
	for i, s := range tr.Steps {
		all = append(all, s.Kind)
		if i > 0 && s.TMs != nil && *s.TMs < *tr.Steps[i-1].TMs {
			t.Errorf("step %d, %s, is earlier than the one before it", i, s.Kind)
		}
	}
	return all
}

func expectKinds(t *testing.T, tr *bench.Trace, want ...bench.TraceKind) {
	t.Helper()
	got := kinds(t, tr)
	slices.Sort(got) // the effect's clock has whole milliseconds
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: steps %v, want %v", tr.ID, got, want)
	}
}

func testTrace(t *testing.T, dir string) {
	r := judge(t, dir)
	told := trace(t, dir, "200")
	expectKinds(t, told, bench.TraceDue, bench.TraceSent, bench.TraceFirstByte, bench.TraceAnswered, bench.TraceEffect)
	if told.Verdict != "processed" || told.Phase != "steady" || *told.Status != 200 || told.ID != (bench.ID{Run: r.Run.ID, Seq: 200}).String() {
		t.Errorf("request 200: %+v", told)
	}
	if !slices.ContainsFunc(told.Unknown, func(s string) bool { return strings.Contains(s, "between the API and the effect") }) {
		t.Errorf("nobody watched the stream, and what is unknown is %q", told.Unknown)
	}
	inside := trace(t, dir, (bench.ID{Run: r.Run.ID, Seq: 250}).String())
	if inside.Seq != 250 || len(inside.Faults) != 1 || !inside.Faults[0].Due || inside.Faults[0].FromMs != 400 {
		t.Errorf("request 250, due in the fault: %+v", inside)
	}
	lost := trace(t, dir, "150")
	expectKinds(t, lost, bench.TraceDue, bench.TraceSent, bench.TraceFirstByte, bench.TraceAnswered)
	if lost.Verdict != "lost_write" || lost.Finding == nil || lost.Finding.LastStation != bench.StationAcknowledged || *lost.Stored || *lost.Count != 0 {
		t.Errorf("request 150, planted as lost: %+v", lost)
	}
	twice := trace(t, dir, "333")
	if twice.Verdict != "duplicated" || *twice.Count != 2 || !slices.ContainsFunc(twice.Steps, func(s bench.TraceStep) bool { return strings.Contains(s.Text, "applied 2 times") }) {
		t.Errorf("request 333, planted as a duplicate: %+v", twice)
	}
}

// streamed plants the log of a stream: request 300 is delivered to process 71,
// which dies, and then again; request 301 to one of two that die; request 302
// becomes a dead letter.
func streamed(t *testing.T, dir string) {
	t.Helper()
	book, err := ledger.Open(filepath.Join(dir, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	at := func(ms float64) time.Time {
		return book.Started().Add(time.Duration(ms * float64(time.Millisecond)))
	}
	id := func(seq uint64) string { return bench.ID{Run: book.Header().Run, Seq: seq}.String() }
	log, err := ledger.CreateDeliveries(filepath.Join(dir, "deliveries"))
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(3) {
		log.Committed(bench.Commit{Shard: "shard-1", Sequence: fmt.Sprint(900 + seq), ID: id(300 + seq), At: at(800)})
	}
	delivery := func(seq uint64, attempt int, ms float64, o bench.DeliveryOutcome) {
		log.Delivered([]bench.Delivery{{Shard: "shard-1", Sequence: fmt.Sprint(600 + seq), ID: id(seq), Batch: seq, Attempt: attempt, At: at(ms), Outcome: o}})
	}
	delivery(300, 1, 1000, bench.DeliveryCrash)
	delivery(300, 2, 1200, bench.Delivered)
	delivery(301, 1, 3000, bench.DeliveryCrash)
	delivery(301, 2, 4000, bench.DeliveryError)
	log.DeadLettered([]bench.DeadLetter{{Seq: 302, At: at(5000)}})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	events, err := os.OpenFile(filepath.Join(dir, "events.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(`{"t_ms":-5,"kind":"processor_start","pid":71,"text":"process 1"}
{"t_ms":1010,"kind":"processor_death","pid":71,"text":"process 1 killed by fault processor.kill"}
{"t_ms":1050,"kind":"processor_start","pid":72,"text":"process 2"}
{"t_ms":2000,"kind":"processor_start","pid":71,"text":"process 3 has a number that was given before"}
{"t_ms":3010,"kind":"processor_death","pid":72,"text":"process 2 killed"}
{"t_ms":3020,"kind":"processor_death","pid":71,"text":"process 3 killed"}
`) {
		_, werr := events.Write(append(ledger.AppendSum([]byte(strings.TrimSpace(line))), '\n'))
		err = errors.Join(err, werr)
	}
	if err := errors.Join(err, events.Close()); err != nil {
		t.Fatal(err)
	}
}

func testTraceOfStream(t *testing.T, clean string) {
	dir := copyRun(t, clean)
	streamed(t, dir)
	told := trace(t, dir, "300")
	expectKinds(t, told, bench.TraceDue, bench.TraceSent, bench.TraceFirstByte, bench.TraceAnswered, bench.TraceCommitted, bench.TraceDelivered, bench.TraceProcessDeath, bench.TraceDelivered, bench.TraceEffect)
	if *told.Delivers != 2 || len(told.Unknown) != 0 {
		t.Errorf("%d deliveries, unknown %q", *told.Delivers, told.Unknown)
	}
	var pids []int
	for _, s := range told.Steps {
		switch s.Kind {
		case bench.TraceCommitted:
			if s.Sequence != "900" || s.Shard != "shard-1" || *s.TMs != 800 || *s.SinceDueMs != 800-*told.DueMs {
				t.Errorf("the commit: %+v", s)
			}
		case bench.TraceDelivered, bench.TraceProcessDeath:
			pids = append(pids, s.PID)
		}
	}
	if !slices.Equal(pids, []int{71, 71, 72}) {
		t.Errorf("delivered to, killed, delivered to: processes %v, want 71, 71, 72", pids)
	}

	doubtful := trace(t, dir, "301")
	if len(doubtful.Unknown) != 1 || !strings.Contains(doubtful.Unknown[0], "2 of those that were up died") {
		t.Errorf("two processes died, and unknown is %q", doubtful.Unknown)
	}
	for _, s := range doubtful.Steps {
		if s.PID != 0 || s.Outcome == "crash" && !slices.Equal(s.Among, []int{72, 71}) {
			t.Errorf("nobody can tell whether 71 or 72 had %+v", s)
		}
	}
	letter := trace(t, dir, "302")
	expectKinds(t, letter, bench.TraceDue, bench.TraceSent, bench.TraceFirstByte, bench.TraceAnswered, bench.TraceCommitted, bench.TraceDeadLetter, bench.TraceEffect)

	e := fromCSV(t, export(t, dir, "csv"))
	for _, want := range [][3]string{
		{"300", "deliveries", "2"}, {"300", "committed_ms", "800"}, {"300", "delivered_ms", "1000"}, {"300", "dispatch_lag_ms", "200"},
		{"300", "delivery_outcome", "ok"}, {"300", "shard", "shard-1"}, {"300", "sequence", "900"}, {"301", "delivery_outcome", "error"},
		{"302", "dead_letter", "true"}, {"302", "dead_letter_readable", "false"}, {"302", "dead_lettered_ms", "5000"}, {"302", "deliveries", "0"},
	} {
		var row int
		fmt.Sscan(want[0], &row)
		if got := e.cell(row, want[1]); got != want[2] {
			t.Errorf("request %d: %s is %q, want %q", row, want[1], got, want[2])
		}
	}
}

func testTraceOfKilled(t *testing.T, clean string) {
	dir := copyRun(t, clean)
	without(t, dir, `"finished"`)
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "reads")), os.Remove(filepath.Join(dir, "ledger", "end.json"))); err != nil {
		t.Fatal(err)
	}
	told := trace(t, dir, "200")
	expectKinds(t, told, bench.TraceDue, bench.TraceSent, bench.TraceFirstByte, bench.TraceAnswered)
	if told.Verdict != "unread" || told.Stored != nil || told.Count != nil || len(told.Unknown) < 3 {
		t.Errorf("nothing was read, and yet: %+v", told)
	}
	flip(t, filepath.Join(dir, "ledger", "attempts"), 1000)
	torn := trace(t, dir, "10")
	expectKinds(t, torn, bench.TraceDue)
	if torn.Ledger != "torn" || torn.ResponseTimeMs != nil {
		t.Errorf("its block is damaged, and yet: %+v", torn)
	}
}

func testNoTrace(t *testing.T, dir string) {
	first := trace(t, dir, "0").ID
	for name, want := range map[string]string{
		"":                          first,
		"nosuch":                    first,
		"-1":                        "0000000001",
		first[:12] + "77":           first[:20] + "77",
		"600":                       "0000000599",
		"99999999999":               "0 to 599",
		"aaaaaaaa-00-0000000005":    first[:20] + "05",
		first[:9] + "01-0000000007": first[:20] + "07",
	} {
		if _, err := run.Trace(dir, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want a hint to %s", name, err, want)
		}
	}
	if _, err := run.Trace(t.TempDir(), "0"); err == nil {
		t.Error("an empty folder was traced")
	}
}

// Whatever the name is, it is found or refused with a hint.
func FuzzTraceName(f *testing.F) {
	find := run.FindIn("k3v9x2ab")
	for _, s := range []string{"", "0", "599", "k3v9x2ab-00-0000000001", "k3v9x2ab-00-1", "-", "-99999999999999999999", "K3V9X2AB-00-0000000001", "\xff-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		seq, err := find(name)
		if err == nil && seq > bench.MaxSeq {
			t.Errorf("%q is request %d", name, seq)
		}
		if err != nil && !strings.Contains(err.Error(), "k3v9x2ab-00-") {
			t.Errorf("%q: no hint in %v", name, err)
		}
	})
}
