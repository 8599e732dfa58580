package run

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/reconcile"
	"github.com/ackproof/ackproof/bench/synth"
)

// judgement is the bytes of all that a judgement writes.
type judgement [3]string

// judgeInPieces judges a run in pieces, and gives what it wrote and how much it took
// over from a judgement that was cut off.
func judgeInPieces(t *testing.T, dir string, piece uint64, written func()) (all judgement, kept float64) {
	t.Helper()
	opts := JudgeOptions{written: written, Progress: func(p Judging) { kept = p.Kept }}
	f, err := open(dir, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if piece > 0 {
		f.portions.span, f.portions.window = piece, piece
	}
	if _, _, err := f.judgeAll(opts); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(dir, partialFile)) {
		t.Error("half a judgement is left behind a whole one")
	}
	for i, name := range []string{resultFile, findingsFile, seriesFile} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[i] = string(b)
	}
	return all, kept
}

// stationsOf judges a run, and gives judging.partial as it was each time that it was
// written: what SIGKILL leaves.
func stationsOf(t *testing.T, dir string, piece uint64) (whole judgement, left [][]byte) {
	t.Helper()
	whole, kept := judgeInPieces(t, dir, piece, func() {
		b, err := os.ReadFile(filepath.Join(dir, partialFile))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, b)
	})
	if kept != 0 {
		t.Errorf("%.2f kept of nothing", kept)
	}
	return whole, left
}

func leave(t *testing.T, dir string, partial []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, partialFile), partial, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestJudgementGoesOnWhereItWasCutOff(t *testing.T) {
	Long(t)
	for i, opts := range []synth.Options{
		{Requests: 2700, Each: 5, Watched: true},
		{Requests: 4000, Each: 5, Architecture: bench.Sync},
		{Requests: 4000},
	} {
		opts.Seed = uint64(i + 1)
		t.Run(fmt.Sprintf("%+v", opts), func(t *testing.T) {
			made, err := synth.Make(t.TempDir(), opts)
			if err != nil {
				t.Fatal(err)
			}
			plain, _ := judgeInPieces(t, made.Dir, 0, nil)
			whole, left := stationsOf(t, made.Dir, 1301)
			if whole != plain {
				t.Fatal("in pieces, a judgement is another one than in one")
			}
			if want := 2 * (opts.Requests / 1301); int64(len(left)) < int64(want) {
				t.Fatalf("written down %d times, want %d at least", len(left), want)
			}
			before := 0.0
			for k, partial := range left {
				leave(t, made.Dir, partial)
				// The next one may have more or less memory, and be cut off again.
				piece := []uint64{1301, 911, 0}[k%3]
				var again []byte
				got, kept := judgeInPieces(t, made.Dir, piece, func() { again, _ = os.ReadFile(filepath.Join(made.Dir, partialFile)) })
				if got != whole {
					t.Fatalf("cut off at %d of %d and gone on with: another judgement", k+1, len(left))
				}
				if kept <= 0 || kept < before {
					t.Errorf("cut off at %d of %d: %.2f kept, and %.2f one earlier", k+1, len(left), kept, before)
				}
				before = kept
				if again != nil && k%3 == 1 {
					leave(t, made.Dir, again)
					if got, now := judgeInPieces(t, made.Dir, 1301, nil); got != whole || now < kept-0.2 {
						t.Fatalf("cut off twice: the same %v, %.2f kept", got == whole, now)
					}
				}
			}
		})
	}
}

func TestHalfAJudgementOfAnythingElseIsNotUsed(t *testing.T) {
	Long(t)
	made, err := synth.Make(t.TempDir(), synth.Options{Requests: 6000, Each: 5, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	whole, left := stationsOf(t, made.Dir, 1501)
	last := left[len(left)-1]
	anew := func(t *testing.T, partial []byte, most float64) {
		t.Helper()
		leave(t, made.Dir, partial)
		got, kept := judgeInPieces(t, made.Dir, 1501, nil)
		if got != whole {
			t.Error("another judgement")
		}
		if kept > most {
			t.Errorf("%.2f of it is used, want %.2f at most", kept, most)
		}
	}
	leave(t, made.Dir, last)
	_, all := judgeInPieces(t, made.Dir, 1501, nil)
	if all < 0.5 {
		t.Fatalf("of all that there is %.2f are used", all)
	}
	t.Run("empty", func(t *testing.T) { anew(t, nil, 0) })
	t.Run("torn", func(t *testing.T) {
		for n := len(last) - 1; n > 0; n -= len(last)/5 + 1 {
			anew(t, last[:n], all-0.01)
		}
	})
	t.Run("flipped", func(t *testing.T) {
		for at := 0; at < len(last); at += len(last)/7 + 1 {
			b := bytes.Clone(last)
			b[at] ^= 1 << (at % 8)
			anew(t, b, all-0.01)
		}
	})
	t.Run("of another run", func(t *testing.T) {
		other, err := synth.Make(t.TempDir(), synth.Options{Requests: 6000, Each: 5, Seed: 4})
		if err != nil {
			t.Fatal(err)
		}
		_, left := stationsOf(t, other.Dir, 1501)
		anew(t, left[len(left)-1], 0)
	})
	t.Run("of changed files", func(t *testing.T) {
		events, err := os.ReadFile(filepath.Join(made.Dir, eventsFile))
		if err != nil {
			t.Fatal(err)
		}
		defer leaveFile(t, filepath.Join(made.Dir, eventsFile), events)
		leaveFile(t, filepath.Join(made.Dir, eventsFile), bytes.Replace(events, []byte("1"), []byte("2"), 1))
		changed, _ := judgeInPieces(t, made.Dir, 0, nil)
		leave(t, made.Dir, last)
		if got, kept := judgeInPieces(t, made.Dir, 1501, nil); got != changed || kept > 0 {
			t.Errorf("as judged anew: %v; %.2f kept", got == changed, kept)
		}
	})
	t.Run("of one more read", func(t *testing.T) {
		extra := filepath.Join(made.Dir, "reads", "note")
		leaveFile(t, extra, []byte("x"))
		defer os.Remove(extra)
		anew(t, last, 0)
	})
}

func leaveFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// No bytes make the decoder panic, or take in what does not add up. Each input is
// tried as a file, and as the body of a sound record of each kind.
func FuzzPartial(f *testing.F) {
	made, err := synth.Make(f.TempDir(), synth.Options{Requests: 1000, Each: 1, Seed: 3}) // small seeds are changed in more places
	if err != nil {
		f.Fatal(err)
	}
	files, err := open(made.Dir, &JudgeOptions{})
	if err != nil {
		f.Fatal(err)
	}
	defer files.close()
	g := files.figures()
	few := files.newFigures(observation{end: time.Second})
	for i, h := range few.histograms() {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	few.histograms()[0].RecordCensored(time.Second)
	down, err := few.down(uint64(files.plan.Len()), false, newTimeline(files.plan.Duration(), time.Second, files.plan.Len()), newExtents(uint64(files.plan.Len())))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := files.readHalfway(down); err != nil {
		f.Fatalf("the seed is not sound: %v", err)
	}
	f.Logf("seeds of %d bytes", len(down))
	e := files.evidence(g)
	var counts []byte
	e.Halfway = func(h *reconcile.Halfway) { counts, _ = h.Counts() }
	reconcile.Judge(e)
	f.Add(down)
	f.Add(counts)
	f.Add(appendRecord(appendRecord(nil, partialOf, []byte("{}")), partialCounts, counts))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := reconcile.NewHalfway(&e)
		read := int64(0)
		for r := range readRecords(bytes.NewReader(b), int64(len(b))) {
			if r.end <= read || r.end > int64(len(b)) {
				t.Fatalf("a record ends at %d, the one before at %d, and all at %d", r.end, read, len(b))
			}
			read = r.end
			_ = take(h, r)
		}
		for _, kind := range []byte{partialVerdicts, partialCounts} {
			h := reconcile.NewHalfway(&e)
			if err := take(h, partialRecord{kind: kind, body: b}); err == nil {
				e := e
				e.From, e.Halfway = h, nil
				reconcile.Judge(e) // which panics where the books do not balance
			}
		}
		if h, err := files.readHalfway(b); err == nil {
			files.timeline, files.extents = newTimeline(files.plan.Duration(), h.End, files.plan.Len()), newExtents(uint64(files.plan.Len()))
			g := files.newFigures(observation{end: h.End})
			files.resume(g, h)
			for _, one := range g.histograms() {
				one.Latency()
			}
		}
	})
}
