package main

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

// seen is what the machines of a run were seen to do. The expected counts of the
// scenarios are computed from it, by a model of a few lines that shares nothing
// with the judge but the files.
type seen struct {
	t          *testing.T
	r          *bench.Result
	dir        string
	commits    []bench.Commit
	deliveries []bench.Delivery
	started    time.Time
}

func watched(t *testing.T, dir string) *seen {
	t.Helper()
	log, err := ledger.ReadDeliveries(filepath.Join(dir, "deliveries"))
	if err != nil {
		t.Fatal(err)
	}
	r := resultOf(t, dir)
	started, err := time.Parse(time.RFC3339Nano, r.Run.Started)
	if err != nil {
		t.Fatal(err)
	}
	return &seen{t: t, r: &r, dir: dir, commits: slices.Collect(log.Commits()), deliveries: slices.Collect(log.Deliveries()), started: started}
}

func number(t *testing.T, sequence string) bench.Sequence {
	t.Helper()
	n, err := bench.ParseSequence(sequence)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// seqs is a set of requests, by number.
type seqs map[uint64]bool

func (s seqs) add(t *testing.T, key string) uint64 {
	t.Helper()
	id, err := bench.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s[id.Seq] = true
	return id.Seq
}

// same checks that two sets are the same and not empty: what is expected of a
// scenario that plants a loss is never nothing.
func (s *seen) same(what string, got, want seqs) {
	s.t.Helper()
	if len(want) == 0 {
		s.t.Errorf("%s: nothing was to be expected, so nothing is shown", what)
	}
	if !maps.Equal(got, want) {
		s.t.Errorf("%s: %d, want %d; not expected %v, missing %v", what, len(got), len(want), without(got, want), without(want, got))
	}
	s.t.Logf("%s: %d as expected", what, len(want))
}

func without(a, b seqs) []uint64 {
	var rest []uint64
	for seq := range a {
		if !b[seq] {
			rest = append(rest, seq)
		}
	}
	slices.Sort(rest)
	return rest[:min(len(rest), 20)]
}

// found gives the requests with a verdict that is worth a finding.
func (s *seen) found(v bench.ItemVerdict) seqs {
	got := seqs{}
	for _, f := range lines[bench.Finding](s.t, filepath.Join(s.dir, "findings.jsonl")) {
		if f.Verdict == v {
			got[f.Seq] = true
		}
	}
	return got
}

// struck is when a fault was first seen to strike.
func (s *seen) struck(fault int) time.Time {
	s.t.Helper()
	for _, e := range lines[event](s.t, filepath.Join(s.dir, "events.jsonl")) {
		if e.Kind == string(bench.EventStrike) && e.Fault != nil && *e.Fault == fault {
			return s.started.Add(time.Duration(e.TMs * float64(time.Millisecond)))
		}
	}
	s.t.Fatalf("fault %d never struck", fault)
	return time.Time{}
}

// undelivered gives the requests whose record was never handed to the processor,
// of those that were committed before a time; zero: all.
func (s *seen) undelivered(before time.Time) seqs {
	handed := map[string]bool{} // by shard and sequence number
	for _, d := range s.deliveries {
		handed[d.Shard+d.Sequence] = true
	}
	out := seqs{}
	for _, c := range s.commits {
		if !c.Removed && !handed[c.Shard+c.Sequence] && (before.IsZero() || c.At.Before(before)) {
			out.add(s.t, c.ID)
		}
	}
	return out
}

// slowest is how long it took a record at the longest from its write to its first
// delivery.
func (s *seen) slowest() (longest time.Duration) {
	handed := map[string]time.Time{} // by shard and sequence number
	for _, d := range s.deliveries {
		if first, again := handed[d.Shard+d.Sequence]; !again || d.At.Before(first) {
			handed[d.Shard+d.Sequence] = d.At
		}
	}
	for _, c := range s.commits {
		if at, ok := handed[c.Shard+c.Sequence]; ok {
			longest = max(longest, at.Sub(c.At))
		}
	}
	return longest
}

// processed gives what a processor that works in sequence and stops at a poisoned
// record has processed, in the attempts that count.
func (s *seen) processed(poison seqs, counts func(attempt int) bool) []bench.Delivery {
	type invocation struct {
		batch   uint64
		attempt int
	}
	stopped := map[invocation]bool{}
	var done []bench.Delivery
	for _, d := range s.deliveries {
		call := invocation{d.Batch, d.Attempt}
		if stopped[call] = stopped[call] || poison[seqs{}.add(s.t, d.ID)]; !stopped[call] && counts(d.Attempt) {
			done = append(done, d)
		}
	}
	return done
}

// applied says how often each request was processed by such a processor.
func (s *seen) applied(poison seqs, counts func(attempt int) bool) map[uint64]int {
	times := map[uint64]int{}
	for _, d := range s.processed(poison, counts) {
		times[seqs{}.add(s.t, d.ID)]++
	}
	return times
}

// newer says how many versions of each request such a processor has applied if
// it keeps out what is not newer than the last.
func (s *seen) newer(poison seqs) map[uint64]int64 {
	times, newest := map[uint64]int64{}, map[uint64]bench.Sequence{}
	for _, d := range s.processed(poison, every) {
		seq, n := seqs{}.add(s.t, d.ID), number(s.t, d.Sequence)
		if last, seen := newest[seq]; !seen || n.Compare(last) > 0 {
			newest[seq] = n
			times[seq]++
		}
	}
	return times
}

func every(int) bool { return true }

// between gives the requests that were processed from low to high times, of all
// that were committed.
func (s *seen) between(times map[uint64]int, low, high int) seqs {
	out := seqs{}
	for _, c := range s.commits {
		if id, err := bench.ParseKey(c.ID); err == nil && low <= times[id.Seq] && times[id.Seq] <= high {
			out[id.Seq] = true
		}
	}
	return out
}

// read gives the requests whose item the last read found, and how often the
// effect of each was applied.
func (s *seen) read() (items seqs, effects map[uint64]int64) {
	s.t.Helper()
	r, err := ledger.OpenRead(filepath.Join(s.dir, "reads", "2"))
	if err != nil {
		s.t.Fatal(err)
	}
	items, effects = seqs{}, map[uint64]int64{}
	for i := range r.Items() {
		items[i.Seq] = true
	}
	for e := range r.Effects() {
		effects[e.Seq] += e.Count
	}
	return items, effects
}

// latest gives the requests whose version is the final item of a key, and those
// whose effect a key shows.
func (s *seen) latest() (final, latest seqs) {
	s.t.Helper()
	r, err := ledger.OpenRead(filepath.Join(s.dir, "reads", "2"))
	if err != nil {
		s.t.Fatal(err)
	}
	final, latest = seqs{}, seqs{}
	for i := range r.Items() {
		final[i.Seq] = true
	}
	for e := range r.Latest() {
		latest[e.Seq] = true
	}
	return final, latest
}
