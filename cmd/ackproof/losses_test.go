package main

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/scenarios"
)

// The scenarios in which something is really lost, and those beside them in which
// nothing is.
var losses = []builtin{
	{"given-up", exitFail, checkBehind(400, every)},
	{"marked-first", exitFail, checkBehind(400, func(attempt int) bool { return attempt == 1 })},
	{"too-old", exitFail, checkWaited},
	{"retention", exitFail, checkWaited},
	{"poison-expired", exitFail, func(t *testing.T, _ *bench.Result, dir string) {
		s := watched(t, dir)
		bad := slices.IndexFunc(s.commits, func(c bench.Commit) bool { return seqs{}.add(t, c.ID) == 200 })
		want := seqs{}
		for _, c := range s.commits {
			behind := number(t, c.Sequence).Compare(number(t, s.commits[bad].Sequence)) >= 0
			if c.Shard == s.commits[bad].Shard && behind && c.At.Before(s.struck(0)) {
				want.add(t, c.ID)
			}
		}
		s.same("lost", s.found(bench.LostProcessing), want)
	}},
	{"refused-letter", exitFail, checkRefused(300, 500)},
	{"late-letter", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		s := watched(t, dir)
		s.same("lost", s.found(bench.LostProcessing), seqs{200: true, 300: true})
		if *r.Deliveries.DeadLettered != 2 || r.Items.DeadLettered != 0 {
			t.Errorf("%d letters, %d of them readable: want 2, and none", *r.Deliveries.DeadLettered, r.Items.DeadLettered)
		}
	}},
	{"narrow-filter", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		scenario, err := scenarios.Load(filepath.Join(dir, "scenario.yaml"), nil)
		if err != nil {
			t.Fatal(err)
		}
		plan, want := scenarios.NewPlan(scenario, r.Run.ID, 0, r.Run.Seed), seqs{}
		for seq := range uint64(plan.Len()) {
			if c := plan.Request(seq).Payload[0]; c < 'A' || c > 'Z' {
				want[seq] = true
			}
		}
		s := watched(t, dir)
		s.same("lost", s.found(bench.LostProcessing), want)
	}},
	{"new-stream", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		s, delivered, want := watched(t, dir), seqs{}, seqs{}
		for _, d := range s.deliveries {
			delivered.add(t, d.ID)
		}
		for seq := range uint64(r.Requests.Planned) {
			if !delivered[seq] {
				want[seq] = true
			}
		}
		s.same("lost", s.found(bench.LostProcessing), want)
		// Off from 3 s on, on again at 4 s: those in between have no record.
		if off := r.Requests.Planned - *r.Deliveries.Records; off < 150 || off > 350 || len(want) < 550 {
			t.Errorf("%d requests without a record, %d lost", off, len(want))
		}
	}},
	{"replaced", exitFail, checkMissed(time.Second, false)},
	{"updated", exitFail, checkMissed(time.Second, false)},
	{"short-life", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		s := watched(t, dir)
		lost := s.found(bench.LostProcessing)
		s.same("lost", lost, s.undelivered(time.Time{}))
		items, _ := s.read()
		for seq := range items {
			if seq < 700 {
				t.Errorf("item %d has not expired", seq)
			}
		}
		if r.Findings[0].LastStation != bench.StationStored {
			t.Errorf("last seen at %s: its removal was delivered, it was not", r.Findings[0].LastStation)
		}
	}},
	{"background", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		s, delivered := watched(t, dir), seqs{}
		for _, d := range s.deliveries {
			if d.Outcome == bench.Delivered {
				delivered.add(t, d.ID)
			}
		}
		lost := s.found(bench.LostProcessing)
		if rest := without(lost, delivered); len(lost) == 0 || len(rest) > 0 || *r.Deliveries.Redelivered != 0 || r.Faults[0].Bitten != 2 {
			t.Errorf("%d lost, of which %v were never reported as done; %d redelivered, %d killed", len(lost), rest, *r.Deliveries.Redelivered, r.Faults[0].Bitten)
		}
	}},
	{"insert-only", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if n := r.Faults[0].Bitten; n == 0 || *r.Items.WrongEffect != n || *r.Deliveries.Records != r.Requests.Planned+n {
			t.Errorf("%d came twice, %d with a wrong effect, %d records of %d requests", n, *r.Items.WrongEffect, *r.Deliveries.Records, r.Requests.Planned)
		}
	}},
	{"article", exitFail, func(t *testing.T, r *bench.Result, dir string) {
		s, want := watched(t, dir), seqs{}
		for _, c := range s.commits {
			if !c.Removed && c.At.Before(s.struck(0)) {
				want.add(t, c.ID)
			}
		}
		s.same("lost", s.found(bench.LostProcessing), want)
		items, effects := s.read()
		if len(effects) != 0 || items[0] || !items[1] || r.Items.Pending == 0 {
			t.Errorf("%d effects, %d pending; the one that went wrong is there %v, one that went well %v", len(effects), r.Items.Pending, items[0], items[1])
		}
	}},
	{"article-corrected", exitPass, func(t *testing.T, r *bench.Result, dir string) {
		s, records := watched(t, dir), map[string]bool{}
		for _, d := range s.deliveries {
			records[d.Shard+d.Sequence] = true
		}
		n := r.Requests.Planned
		if r.Items.Processed != n-1 || r.Items.DeadLettered != 1 || int64(len(records)) != n || *r.Deliveries.Records < 2*n-1 {
			t.Errorf("%d of %d processed, %d dead-lettered; %d records delivered of %d", r.Items.Processed, n, r.Items.DeadLettered, len(records), *r.Deliveries.Records)
		}
	}},
	{"event-dropped", exitFail, checkEvents(0, 300, 500, 700)},
	{"event-letter", exitPass, checkEvents(3)},
	{"event-refused", exitFail, checkEvents(0, 300, 500)},
	{"paused", exitPass, checkAll},
	{"big-batch", exitPass, func(t *testing.T, r *bench.Result, dir string) {
		checkAll(t, r, dir)
		batches := map[uint64]int{}
		for _, d := range watched(t, dir).deliveries {
			batches[d.Batch]++
		}
		if most := slices.Max(slices.Collect(maps.Values(batches))); most*300_000 > 6<<20 || most < 15 {
			t.Errorf("%d records of 300 KB in one batch: want as many as fit into 6 MB", most)
		}
	}},
	{"same-again", exitPass, func(t *testing.T, r *bench.Result, dir string) {
		checkAll(t, r, dir)
		if n := r.Requests.Planned; r.Faults[0].Bitten == 0 || *r.Deliveries.Records != n || *r.Deliveries.Redelivered != 0 {
			t.Errorf("%d came twice, %d records of %d requests, %d redelivered", r.Faults[0].Bitten, *r.Deliveries.Records, n, *r.Deliveries.Redelivered)
		}
	}},
}

func checkAll(t *testing.T, r *bench.Result, _ string) {
	if r.Items.Processed != r.Requests.Planned {
		t.Errorf("%d of %d processed", r.Items.Processed, r.Requests.Planned)
	}
	for _, f := range r.Faults {
		if f.Bitten == 0 || !f.Undone {
			t.Errorf("%s: bitten %d, undone %v", f.Text, f.Bitten, f.Undone)
		}
	}
}

// checkWaited wants lost what was committed before the time jumped and had not
// been delivered by then. At least a second of the load waited.
func checkWaited(t *testing.T, r *bench.Result, dir string) {
	s := watched(t, dir)
	want := s.undelivered(s.struck(1))
	s.same("lost", s.found(bench.LostProcessing), want)
	if len(want) < 200 || r.Items.Pending != 0 {
		t.Errorf("%d waited, %d pending", len(want), r.Items.Pending)
	}
}

// checkMissed wants lost what was never delivered: in each shard one stretch that begins
// at the lever, or just before, and ends with the first poll, whenever a busy machine
// comes to that. Nobody polls in the gap behind the lever, so that all of it is lost
// that was written then, however much an engine could take. A mapping at LATEST misses
// what is written before its very first poll too, which a slow engine may answer
// when the load has begun: lateFirst allows such a stretch, uncounted, before all
// that was delivered.
func checkMissed(gap time.Duration, lateFirst bool) func(t *testing.T, r *bench.Result, dir string) {
	return func(t *testing.T, _ *bench.Result, dir string) {
		s := watched(t, dir)
		want := s.undelivered(time.Time{})
		s.same("lost", s.found(bench.LostProcessing), want)
		const first, before, missed, after = 0, 1, 2, 3
		at, missing, ends, inGap := map[string]int{}, 0, 0, 0
		// What a poll takes bounds how long before the lever a record may have been
		// written that the last one did not see: a second, and what it took a record at
		// the longest to be delivered.
		lever, slack, poll := s.struck(0), gap/10, time.Second+s.slowest()
		book, err := ledger.Open(filepath.Join(dir, "ledger"))
		if err != nil {
			t.Fatal(err)
		}
		defer book.Close()
		slices.SortFunc(s.commits, func(a, b bench.Commit) int { return number(t, a.Sequence).Compare(number(t, b.Sequence)) })
		for _, c := range s.commits {
			seq := seqs{}.add(t, c.ID)
			lost, now := want[seq], at[c.Shard]
			put, _ := book.At(seq)
			if sent := s.started.Add(put.Sent).Sub(lever); sent > slack && c.At.Sub(lever) < gap-slack {
				if inGap++; !lost {
					t.Errorf("%s was sent %v after the lever and written in the gap, and is not lost", c.ID, sent)
				}
			}
			switch {
			case lost && now == first && lateFirst:
			case lost && now == after:
				t.Errorf("%s is lost, and one before it in %s was delivered after the lever", c.ID, c.Shard)
			case lost:
				at[c.Shard], missing = missed, missing+1
				if early := lever.Sub(c.At); early > poll {
					t.Errorf("%s is lost, and was written %v before the lever", c.ID, early)
				}
			case now == first:
				at[c.Shard] = before
			case now == missed:
				at[c.Shard], ends = after, ends+1
			}
		}
		if inGap == 0 || missing < inGap || ends == 0 {
			t.Errorf("%d lost, %d were written in the gap; in %d shards something was delivered behind them", missing, inGap, ends)
		}
	}
}

// checkBehind wants lost a bad record and what was never processed in an attempt
// that counts, because it stood behind that record in its batch.
func checkBehind(bad uint64, counts func(attempt int) bool) func(t *testing.T, r *bench.Result, dir string) {
	return func(t *testing.T, _ *bench.Result, dir string) {
		s := watched(t, dir)
		s.same("lost", s.found(bench.LostProcessing), s.between(s.applied(seqs{bad: true}, counts), 0, 0))
	}
}

// checkRefused wants lost the records that a destination refused, and no others.
func checkRefused(bad ...uint64) func(t *testing.T, r *bench.Result, dir string) {
	return func(t *testing.T, r *bench.Result, dir string) {
		want := seqs{}
		for _, seq := range bad {
			want[seq] = true
		}
		s := watched(t, dir)
		s.same("lost", s.found(bench.LostProcessing), want)
		if r.Faults[0].Bitten != int64(len(bad)) || r.Deliveries.DeadLettered != nil && *r.Deliveries.DeadLettered != 0 {
			t.Errorf("%d documents refused, %v letters", r.Faults[0].Bitten, r.Deliveries.DeadLettered)
		}
	}
}

// checkEvents wants lost these events of fire-and-forget, so many dead letters,
// and everything else processed. No table has a trace of an event that was given
// up, so it is a lost write.
func checkEvents(letters int64, bad ...uint64) func(t *testing.T, r *bench.Result, dir string) {
	return func(t *testing.T, r *bench.Result, _ string) {
		var lost []uint64
		for _, f := range r.Findings {
			if f.Verdict == bench.LostWrite {
				lost = append(lost, f.Seq)
			}
		}
		slices.Sort(lost)
		if !slices.Equal(lost, bad) || r.Items.Lost() != int64(len(bad)) || r.Items.DeadLettered != letters || r.Items.Processed != r.Requests.Planned-letters-int64(len(bad)) {
			t.Errorf("lost %v, want %v; %d dead-lettered, want %d; %d of %d processed", lost, bad, r.Items.DeadLettered, letters, r.Items.Processed, r.Requests.Planned)
		}
	}
}

// cured are the scenarios with the one thing changed that is wrong in them: they
// must pass, or the loss would be the harness's.
var cured = []struct {
	name  string
	with  []string
	check func(t *testing.T, r *bench.Result, dir string)
}{
	{"given-up", []string{"--set", "mapping.onFailure=payload", "--set", "mapping.bisectBatchOnFunctionError=true", "--set", "guarantee.deadLetters=allow"}, checkDead(1)},
	{"event-dropped", []string{"--set", "async.onFailure=payload", "--set", "guarantee.deadLetters=allow"}, checkDead(3)},
	{"too-old", []string{"--set", "mapping.maximumRecordAgeInSeconds=-1"}, checkAll},
	{"late-letter", []string{"--set", "mapping.onFailure=payload"}, checkDead(2)},
	{"narrow-filter", []string{"--set", `mapping.filterCriteria=['{"eventName":["INSERT"]}']`}, checkAll},
	{"replaced", []string{"--set", "mapping.startingPosition=TRIM_HORIZON"}, checkAll},
	{"updated", []string{"--set", "mapping.startingPosition=TRIM_HORIZON"}, checkAll},
	{"short-life", []string{"--set", "mapping.maximumRetryAttempts=-1"}, func(t *testing.T, r *bench.Result, dir string) {
		checkAll(t, r, dir)
		if items, effects := watched(t, dir).read(); len(items) > 3 || int64(len(effects)) != r.Requests.Planned {
			t.Errorf("%d items left, %d effects", len(items), len(effects))
		}
	}},
	{"insert-only", []string{"--env", "ACKPROOF_DEFECT="}, checkAll},
	{"background", []string{"--env", "ACKPROOF_DEFECT="}, checkAll},
	{"marked-first", []string{"--env", "ACKPROOF_DEFECT=", "--set", "mapping.bisectBatchOnFunctionError=true"}, checkDead(1)},
	{"retried-batch", []string{"--env", "ACKPROOF_DEFECT="}, checkNoneTwice},
	{"bisected", []string{"--env", "ACKPROOF_DEFECT="}, checkDead(3)},
	{"done-twice", []string{"--env", "ACKPROOF_DEFECT="}, checkAll},
	{"replayed", []string{"--env", "ACKPROOF_DEFECT="}, func(t *testing.T, r *bench.Result, dir string) {
		checkAll(t, r, dir)
		checkNoneTwice(t, r, dir)
	}},
	{"own-update", []string{"--env", "ACKPROOF_ARTICLE=corrected"}, checkAll},
}

// checkDead wants some dead letters, and everything else processed.
func checkDead(letters int64) func(t *testing.T, r *bench.Result, dir string) {
	return func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.DeadLettered != letters || r.Items.Processed != r.Requests.Planned-letters {
			t.Errorf("%d dead-lettered, %d of %d processed", r.Items.DeadLettered, r.Items.Processed, r.Requests.Planned)
		}
	}
}

// checkNoneTwice wants records delivered again and nothing done again.
func checkNoneTwice(t *testing.T, r *bench.Result, _ string) {
	if *r.Deliveries.Redelivered == 0 || *r.Items.Duplicated != 0 {
		t.Errorf("%d redelivered, %d duplicated", *r.Deliveries.Redelivered, *r.Items.Duplicated)
	}
}
