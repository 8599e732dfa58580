package main

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

// The scenarios in which work is done more than once, or out of order.
var duplicates = []builtin{
	{"retried-batch", exitFail, checkTwice(300, 450, 600)},
	{"bisected", exitFail, checkTwice(300, 450, 600)},
	{"replayed", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		checkTwice()(t, r, dir)
		for _, d := range watched(t, dir).deliveries {
			if d.Outcome != bench.Delivered || d.Attempt != 1 {
				t.Fatalf("%s: attempt %d, %s: want no error", d.ID, d.Attempt, d.Outcome)
			}
		}
	}},
	{"done-twice", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		checkTwice()(t, r, dir)
		// More were redelivered where a batch was struck twice.
		if *r.Items.Duplicated > *r.Deliveries.Redelivered || r.Faults[0].Bitten == 0 || r.Faults[1].Bitten == 0 {
			t.Errorf("%d duplicated of %d redelivered; %d killed, %d failed", *r.Items.Duplicated, *r.Deliveries.Redelivered, r.Faults[0].Bitten, r.Faults[1].Bitten)
		}
	}},
	{"new-id", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if n := r.Faults[0].Bitten; n == 0 || *r.Items.Duplicated != n || *r.Deliveries.Records != r.Requests.Planned+n || *r.Deliveries.Redelivered != 0 {
			t.Errorf("%d came twice, %d duplicated, %d records of %d requests", n, *r.Items.Duplicated, *r.Deliveries.Records, r.Requests.Planned)
		}
	}},
	{"own-update", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		s := watched(t, dir)
		inserts, times, known := map[string]bool{}, map[uint64]int{}, seqs{}
		for _, c := range s.commits {
			before := len(known)
			known.add(t, c.ID)
			inserts[c.Shard+c.Sequence] = len(known) > before // the first of its item
		}
		for _, d := range s.deliveries {
			if inserts[d.Shard+d.Sequence] {
				times[seqs{}.add(t, d.ID)]++
			}
		}
		s.same("duplicated", s.found(bench.Duplicated), s.between(times, 2, 1<<30))
		// One INSERT and one MODIFY for each request, and one more for each time
		// that an item was updated again.
		if n := r.Requests.Planned; *r.Deliveries.Records < 2*n || *r.Deliveries.Delivered < 2*n || r.Faults[0].Bitten == 0 {
			t.Errorf("%d requests, %d records, %d delivered, %d killed", n, *r.Deliveries.Records, *r.Deliveries.Delivered, r.Faults[0].Bitten)
		}
	}},
	{"old-version", exitPass, checkVersions(200)},
	{"sent-again", exitPass, func(t *testing.T, r *bench.Result, dir string) {
		again, _ := retried(t, dir, r.Requests.Planned)
		if len(again) == 0 || r.Faults[0].Bitten == 0 || *r.Deliveries.Records != r.Requests.Planned || r.Items.Processed+r.Items.Recovered != r.Requests.Planned {
			t.Errorf("%d sent again for %d broken connections; %d records, %d of %d processed", len(again), r.Faults[0].Bitten, *r.Deliveries.Records, r.Items.Processed, r.Requests.Planned)
		}
	}},
	{"sent-anew", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		again, attempts := retried(t, dir, r.Requests.Planned)
		watched(t, dir).same("duplicated", watched(t, dir).found(bench.Duplicated), again)
		if *r.Deliveries.Records != attempts {
			t.Errorf("%d records of %d attempts; each is an item of its own", *r.Deliveries.Records, attempts)
		}
	}},
	{"versions", exitPass, checkLatest},
	{"hot-keys", exitPass, checkLatest},
	{"stale-overwrite", exitFail, func(t *testing.T, _ *bench.Result, dir string) {
		s := watched(t, dir)
		final, latest := s.latest()
		stale := seqs{}
		for seq := range final {
			if !latest[seq] {
				stale[seq] = true
			}
		}
		s.same("wrong effect", s.found(bench.WrongEffect), stale)
		if _, effects := s.read(); len(effects) != int(s.r.Requests.Planned) {
			t.Errorf("%d of %d versions were applied; what is wrong should be the order alone", len(effects), s.r.Requests.Planned)
		}
	}},
}

// retried gives the requests of a run that were sent more than once, and how many
// attempts there were at all of them.
func retried(t *testing.T, dir string, planned int64) (again seqs, attempts int64) {
	t.Helper()
	book, err := ledger.Open(filepath.Join(dir, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	again = seqs{}
	for seq := range uint64(planned) {
		for a := range book.AttemptsAt(seq) {
			if attempts++; a.Retry > 0 {
				again[seq] = true
			}
		}
	}
	return again, attempts
}

// checkLatest wants each version applied once, although records were delivered
// again, and each key showing its final version.
func checkLatest(t *testing.T, r *bench.Result, dir string) {
	s := watched(t, dir)
	final, latest := s.latest()
	s.same("latest effects", latest, final)
	_, effects := s.read()
	for seq := range uint64(r.Requests.Planned) {
		if effects[seq] != 1 {
			t.Errorf("version %d was applied %d times", seq, effects[seq])
		}
	}
	if len(s.commits) != int(r.Requests.Planned) || len(final) >= len(s.commits)/2 || *r.Deliveries.Redelivered == 0 || r.Faults[0].Bitten == 0 {
		t.Errorf("%d records of %d items, %d redelivered, %d strikes", len(s.commits), len(final), *r.Deliveries.Redelivered, r.Faults[0].Bitten)
	}
}

// checkVersions wants each version that the processor reached applied once, and
// the newest last, although older ones came behind it. One that stood behind the
// bad record when its batch was given up was not reached.
func checkVersions(bad uint64) func(t *testing.T, r *bench.Result, dir string) {
	return func(t *testing.T, r *bench.Result, dir string) {
		s := watched(t, dir)
		newest, back := map[uint64]bench.Sequence{}, 0
		for _, d := range s.deliveries {
			seq, n := seqs{}.add(t, d.ID), number(t, d.Sequence)
			if n.Compare(newest[seq]) < 0 {
				back++
			} else {
				newest[seq] = n
			}
		}
		_, effects := s.read()
		if want := s.newer(seqs{bad: true}); !maps.Equal(effects, want) {
			t.Errorf("versions applied of each request:\n%s", cmp.Diff(want, effects))
		}
		if most := slices.Max(slices.Collect(maps.Values(effects))); most != 2 {
			t.Errorf("%d versions of an item were applied, want 2", most)
		}
		if back == 0 || int64(len(effects)) < r.Items.Processed || *r.Items.WrongEffect != 0 {
			t.Errorf("%d times an older version came behind a newer one, %d effects", back, len(effects))
		}
	}
}

// checkTwice wants duplicated what a processor that does not look has processed
// more than once, with bad records at which it stops.
func checkTwice(poison ...uint64) func(t *testing.T, r *bench.Result, dir string) {
	return func(t *testing.T, _ *bench.Result, dir string) {
		s, bad := watched(t, dir), seqs{}
		for _, seq := range poison {
			bad[seq] = true
		}
		s.same("duplicated", s.found(bench.Duplicated), s.between(s.applied(bad, every), 2, 1<<30))
	}
}
