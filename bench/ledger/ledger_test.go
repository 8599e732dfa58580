package ledger

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

const testRun = bench.RunID("k3v9x2ab")

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func create(t testing.TB, planned int64) (*Writer, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	w, err := Create(dir, Header{Run: testRun, Agent: 3, Planned: planned, Seed: 42, Created: testStart, Plan: json.RawMessage(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, dir
}

func open(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func attempt(seq uint64) bench.Attempt {
	sent := time.Duration(seq)*time.Millisecond + time.Duration(seq*seq%977)
	return bench.Attempt{Seq: seq, Outcome: bench.Acknowledged, Class: bench.ClassStatus, Status: 200,
		Sent: sent, FirstByte: sent + 70, End: sent + 77 + time.Duration(seq%1000)}
}

func TestLedgerRoundTrip(t *testing.T) {
	w, dir := create(t, 5)
	if err := w.SetStart(testStart); err != nil {
		t.Fatal(err)
	}
	w.Sent(0, 0, 1)
	w.Done(attempt(0))
	w.Sent(1, 0, 5*time.Second)
	refused := bench.Attempt{Seq: 3, Outcome: bench.Refused, Class: bench.ClassConnRefused, Sent: -time.Second, End: 9}
	w.Done(refused)
	w.Sent(4, 0, 0)
	w.Done(bench.Attempt{Seq: 4, Outcome: bench.Unsent, Class: bench.ClassInterrupted})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Done(attempt(2)) // too late: ignored, and no crash

	l := open(t, dir)
	h := l.Header()
	if h.Run != testRun || h.Agent != 3 || h.Planned != 5 || h.Seed != 42 || !h.Created.Equal(testStart) || string(h.Plan) != `{"a":1}` {
		t.Errorf("header %+v", h)
	}
	if !l.Started().Equal(testStart) || !l.Closed() || l.Len() != 5 || len(l.Problems()) != 0 {
		t.Errorf("started %v, closed %v, len %d, problems %v", l.Started(), l.Closed(), l.Len(), l.Problems())
	}
	type entry struct {
		A bench.Attempt
		S State
	}
	var got []entry
	for a, s := range l.All() {
		got = append(got, entry{a, s})
	}
	want := []entry{
		{attempt(0), Finished},
		{bench.Attempt{Seq: 1, Outcome: bench.Unknown, Sent: 5 * time.Second}, SentOnly},
		{bench.Attempt{Seq: 2}, Unsent},
		{refused, Finished},
		{bench.Attempt{Seq: 4, Class: bench.ClassInterrupted}, Unsent},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, sent := l.Request(1); !sent {
		t.Error("a request that was on the wire counts as not sent")
	}
	if _, sent := l.Request(4); sent {
		t.Error("a request that never left counts as sent")
	}
	if a, s := l.At(99); s != Unsent || a.Seq != 99 {
		t.Errorf("beyond the plan: %v %v", a, s)
	}
}

func TestCreateRefuses(t *testing.T) {
	_, dir := create(t, 1)
	if _, err := Create(dir, Header{Run: testRun, Planned: 1}); err == nil {
		t.Error("an existing ledger was overwritten")
	}
	_, err := Create(t.TempDir(), Header{Run: "nope", Agent: 100, Planned: -1})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want all three errors, got %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("no ledger was opened")
	}
	if err := writeSealed(filepath.Join(dir, headerFile), Header{Format: "ackproof.ledger/v9"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "ackproof.ledger/v9") {
		t.Errorf("a format of the future: %v", err)
	}
}

func TestEmptyLedger(t *testing.T) {
	w, dir := create(t, 0)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if l := open(t, dir); l.Len() != 0 || len(l.Problems()) != 0 {
		t.Errorf("%d %v", l.Len(), l.Problems())
	}
}

func TestBeyondPlanPanics(t *testing.T) {
	w, _ := create(t, 1)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
		w.Sent(0, 0, 0) // and no lock is left behind
	}()
	w.Sent(1, 0, 0)
}

func TestConcurrentWriters(t *testing.T) {
	const n = 4000
	w, dir := create(t, n)
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			for seq := g; seq < n; seq += 8 {
				w.Sent(seq, 0, 1)
				w.Done(attempt(seq))
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	for seq := range uint64(n) {
		if a, s := l.At(seq); a != attempt(seq) || s != Finished {
			t.Fatalf("%v %v", a, s)
		}
	}
}

// edit changes a file in place.
func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func filled(t testing.TB, n int64) string {
	w, dir := create(t, n)
	for seq := range uint64(n) {
		w.Sent(seq, 0, 1)
		w.Done(attempt(seq))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A plan that does not end with a block, and one that is shorter than a frame.
func TestEveryLength(t *testing.T) {
	for _, n := range []int64{1, 255, 256, 257, blockRows, blockRows + 1} {
		l := open(t, filled(t, n))
		for seq := range uint64(n) {
			if a, s := l.At(seq); a != attempt(seq) || s != Finished {
				t.Fatalf("%d of %d: %v %+v", seq, n, s, a)
			}
		}
		if len(l.Problems()) > 0 || l.Len() != uint64(n) {
			t.Errorf("%d of %d, %v", l.Len(), n, l.Problems())
		}
		sameInStretches(t, l)
	}
}

// retry is a later attempt at a request.
func retry(seq uint64, n int, o bench.Outcome) bench.Attempt {
	a := attempt(seq)
	a.Retry, a.Outcome = n, o
	a.Sent += time.Duration(n) * time.Second
	a.FirstByte, a.End = a.Sent+5, a.Sent+9
	return a
}

// Each attempt has a row of its own; together they say what the client knows.
func TestRetries(t *testing.T) {
	const n = 3 * blockRows
	w, dir := create(t, n)
	failed := func(seq uint64) bench.Attempt {
		return bench.Attempt{Seq: seq, Outcome: bench.Unknown, Class: bench.ClassReset, Sent: 3, End: 9, Error: "write: broken pipe"}
	}
	refused := func(seq uint64) bench.Attempt {
		return bench.Attempt{Seq: seq, Outcome: bench.Refused, Class: bench.ClassStatus, Status: 429, Sent: 3, End: 9}
	}
	want := map[uint64][]bench.Attempt{
		7:    {failed(7), retry(7, 1, bench.Refused), retry(7, 2, bench.Acknowledged)},
		8:    {failed(8), retry(8, 1, bench.Refused)},
		9:    {refused(9), retry(9, 1, bench.Refused)},
		5000: {refused(5000), retry(5000, 1, bench.Unknown)},
	}
	many := uint64(2 * blockRows) // more than a slot of retries holds
	for seq := range uint64(n) {
		all := want[seq]
		if seq >= many && all == nil {
			all = []bench.Attempt{failed(seq), retry(seq, 1, bench.Unknown), retry(seq, 2, bench.Acknowledged)}
			want[seq] = all
		}
		if all == nil {
			all = []bench.Attempt{attempt(seq)}
		}
		for _, a := range all {
			if err := w.Reserve(t.Context(), seq, a.Retry); err != nil {
				t.Fatal(err)
			}
			w.Sent(seq, a.Retry, a.Sent)
			w.Done(a)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	if len(l.Problems()) > 0 || l.Retries() != 2+1+1+1+2*blockRows {
		t.Fatalf("%d retries, %v", l.Retries(), l.Problems())
	}
	for seq, all := range want {
		var got []bench.Attempt
		for a, s := range l.AttemptsAt(seq) {
			if s != Finished {
				t.Fatalf("%+v is %v", a, s)
			}
			got = append(got, a)
		}
		if d := cmp.Diff(all, got); d != "" {
			t.Fatalf("request %d: %s", seq, d)
		}
	}
	for seq, want := range map[uint64]struct {
		outcome bench.Outcome
		sent    time.Duration
		retry   int
	}{
		6: {bench.Acknowledged, attempt(6).Sent, 0}, 7: {bench.Acknowledged, 3, 2}, 8: {bench.Unknown, 3, 0}, 9: {bench.Refused, 3, 1},
		5000: {bench.Unknown, 3, 1}, many: {bench.Acknowledged, 3, 2},
	} {
		if a, s := l.At(seq); a.Outcome != want.outcome || a.Sent != want.sent || a.Retry != want.retry || s != Finished {
			t.Errorf("request %d together: %v %+v, want %+v", seq, s, a, want)
		}
	}
	sameInStretches(t, l)
}

// sameInStretches reads the ledger in stretches, which must say what At does.
func sameInStretches(t testing.TB, l *Ledger) {
	t.Helper()
	for _, r := range [][2]uint64{{0, l.Len()}, {min(100, l.Len()), min(5000, l.Len())}, {l.Len() / 2, l.Len()/2 + 700}} {
		next := r[0]
		together := make([]bench.Attempt, r[1]-r[0])
		l.Attempts(r[0], together)
		for i, a := range together {
			want, _ := l.At(r[0] + uint64(i))
			if a.Seq != want.Seq || a.Outcome != want.Outcome || a.Class != want.Class || a.Sent != want.Sent || a.End != want.End {
				t.Fatalf("request %d among others: %+v; alone: %+v", want.Seq, a, want)
			}
		}
		l.Answers(r[0], together)
		for i, a := range together {
			want, _ := l.At(r[0] + uint64(i))
			if a.Seq != want.Seq || a.Outcome != want.Outcome || a.Sent != want.Sent || a.End != want.End || a.Status != want.Status || a.FirstByte != want.FirstByte {
				t.Fatalf("request %d among others, with its answer: %+v; alone: %+v", want.Seq, a, want)
			}
		}
		for s := range l.Stretches(r[0], r[1]) {
			sent, end := s.Times()
			for i := range s.State {
				a, state := l.At(next)
				if s.First+uint64(i) != next || s.State[i] != state || s.Outcome[i] != a.Outcome || s.Class[i] != a.Class || sent[i] != a.Sent || end[i] != a.End {
					t.Fatalf("request %d in a stretch: %v %v sent %v end %v; alone: %v %+v", next, s.State[i], s.Outcome[i], sent[i], end[i], state, a)
				}
				next++
			}
		}
		if next != r[1] {
			t.Fatalf("the stretches end at %d, not at %d", next, r[1])
		}
	}
}

// TestKilledWriter kills a process that writes as fast as it can, and asks that
// whatever it had reported is there.
func TestKilledWriter(t *testing.T) {
	const planned = 1 << 20
	if dir := os.Getenv("LEDGER_TEST_WRITE"); dir != "" {
		w, err := Create(dir, Header{Run: testRun, Planned: planned})
		if err != nil {
			t.Fatal(err)
		}
		for seq := range uint64(planned) {
			w.Sent(seq, 0, 1)
			if seq%1000 == 999 {
				os.Stdout.WriteString("x") // the parent has been told of it
			}
			w.Done(attempt(seq))
		}
		select {}
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	cmd.Env = append(os.Environ(), "LEDGER_TEST_WRITE="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := uint64(0)
	buf := make([]byte, 1)
	for range 50 {
		if _, err := out.Read(buf); err != nil {
			t.Fatal(err)
		}
		told += 1000
	}
	cmd.Process.Kill()
	cmd.Wait()

	l := open(t, dir)
	if l.Closed() {
		t.Error("a killed writer counts as closed")
	}
	var torn int
	for seq := range told {
		switch a, s := l.At(seq); {
		case s == Finished && a != attempt(seq):
			t.Fatalf("%+v", a)
		case s == Unsent, s == SentOnly && seq < told-1:
			t.Fatalf("request %d of %d is %v", seq, told, s)
		}
	}
	for _, s := range l.All() {
		if s == Torn {
			torn++
		}
	}
	if torn > 1 { // the one that was being written
		t.Errorf("%d torn cells: %v", torn, l.Problems())
	}
}

// What a reader of all requests takes for one: its outcome alone, with its times,
// and all that is known.
func BenchmarkScan(b *testing.B) {
	const n = 1 << 20
	w, dir := create(b, n)
	for seq := range uint64(n) {
		w.Done(realistic(seq))
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	l := open(b, dir)
	for name, scan := range map[string]func(s *Stretch) (sum time.Duration){
		"outcome": func(s *Stretch) (sum time.Duration) {
			for _, o := range s.Outcome {
				sum += time.Duration(o)
			}
			return sum
		},
		"times": func(s *Stretch) (sum time.Duration) {
			sent, end := s.Times()
			for i := range sent {
				sum += end[i] - sent[i]
			}
			return sum
		},
		"all": func(s *Stretch) (sum time.Duration) {
			for i := range s.State {
				a, _ := s.At(i)
				sum += a.End
			}
			return sum
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var sum time.Duration
				for s := range l.Stretches(0, n) {
					sum += scan(s)
				}
				if sum == 0 {
					b.Fatal("nothing was read")
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/n, "ns/request")
		})
	}
	b.Run("alone", func(b *testing.B) {
		seq := uint64(0)
		for b.Loop() {
			if _, s := l.At(seq * 7919 % n); s != Finished {
				b.Fatal(s)
			}
			seq++
		}
	})
}
