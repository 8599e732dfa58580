package run

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// JudgeOptions say how a run is judged. They change no figure and no verdict.
type JudgeOptions struct {
	// Memory is what judging may hold, in bytes; 0: DefaultMemory. With less, the
	// files are gone through more often. Pages of files that the system has mapped
	// or cached are not counted: they are the system's to take back.
	Memory int64
	// Progress is told how far it has come, first of all before any file is
	// checked. It is called from one goroutine at a time; nil: nobody asks.
	Progress func(Judging)

	written func() // for tests: all is written down at once, and this is told
}

// DefaultMemory is what judging may hold where nothing else is said, in bytes:
// room for a hundred million requests at once.
const DefaultMemory = 2300 << 20

// Judging tells how far a judgement has come.
type Judging struct {
	Requests int64         // of the plan
	Memory   int64         // bytes that will be held at most
	About    time.Duration // that it all takes, roughly
	Done     float64       // share of the work, 0 to 1
	Kept     float64       // of it, what a judgement that was cut off had done
}

// GoLimit is what Go's own memory must be held to (debug.SetMemoryLimit), for a
// process that only judges to hold no more than Memory: garbage counts too, and so
// does what the process has beside it.
func (j Judging) GoLimit() int64 { return j.Memory - besideGo }

// portions are how much is gone through at a time. Figures and verdicts are made one
// after the other, so that each may have it all.
type portions struct {
	span   uint64 // requests whose times are held at once
	window uint64 // requests that are judged at once
	bytes  int64
	// What the work of each part costs for each request, ns of one core.
	figures, judge float64
	work           work
}

// work is what was done and is to be done, in ns of one core.
type work struct {
	mu          sync.Mutex
	done, total float64
	kept        float64 // of done: by a judgement that was cut off
}

// What the steps cost for each request, in ns of one core, with the files in the
// system's cache, on a machine of 2024. They are for the time left alone.
const (
	costCheck  = 15  // of the ledger and of each read, when they are opened
	costSpan   = 30  // looking for the requests of a span in the tables
	costFigure = 120 // of all distributions
	costWindow = 100 // as costSpan, of a window in both tables
	costJudge  = 150 // above all, making the payload again for its digest
)

const (
	fixedBytes = 80 << 20 // code, buffers of files, and what the garbage collector has not seen yet
	bucketSize = 188 << 10
	keyBytes   = 40 + 8   // of a shared key, in the judge and in the plan
	rowBytes   = 16 + 56  // more of one that has one row for all its versions: in the judge, and for the figures
	besideGo   = 16 << 20 // static data of the program and its libraries, and what the limit of Go's runtime is off by
	// smallestPiece is the least that may be gone through at a time: with less,
	// nothing would come to an end.
	smallestPiece = 1 << 16
)

// allot shares the memory out. It is asked before any large file is opened.
func (f *files) allot(memory int64) error {
	if memory == 0 {
		memory = DefaultMemory
	}
	watched := exists(filepath.Join(f.dir, deliveriesDir, "log"))
	span, window := int64(9), int64(10)
	if watched {
		span, window = 25, 10+2*16
	}
	n := f.plan.Len()
	fixed := f.countsBytes() + fixedBytes
	piece := min(n, smallestPiece)
	least := fixed + max(piece*span, n+n/8+piece*window)
	if memory < least {
		return fmt.Errorf("judging %d requests takes %d MB of memory at least, and %d MB are allowed: give it more with --memory %dMB",
			n, mega(least), memory>>20, mega(least))
	}
	free := memory - fixed
	f.portions.span = uint64(min(n, free/span))
	f.portions.window = uint64(min(n, (free-n-n/8)/window))
	f.portions.bytes = fixed + max(int64(f.portions.span)*span, n+n/8+int64(f.portions.window)*window)
	pieces := func(size uint64) float64 { return float64((uint64(n) + size - 1) / max(size, 1)) }
	f.portions.judge = pieces(f.portions.window)*costWindow + costJudge
	f.portions.figures = pieces(f.portions.span)*costSpan + costFigure
	f.portions.work.total = float64(n) * (3*costCheck + f.portions.figures + f.portions.judge)
	return nil
}

// countsBytes is what is counted whatever the number of requests: distributions,
// seconds, shared keys, and the moments of the few seconds that decide on a recovery.
func (f *files) countsBytes() int64 {
	stages := f.plan.Stages()
	peak := int64(0) // requests in a second
	for _, st := range stages {
		if seconds := (st.To - st.From).Seconds(); seconds > 0 {
			peak = max(peak, min(st.Count, int64(2*float64(st.Count)/seconds))) // a straight line has at most twice its mean
		}
	}
	histograms := int64(2 * (12 + 2*len(stages)) * cores() * bucketSize)
	perSecond := int64(f.plan.Duration()/time.Second) * int64(40*cores()+100)
	moments := int64(0)
	if len(f.faults) > 0 {
		moments = 7 * peak * 2 * 40
	}
	key := int64(keyBytes)
	if f.perKey() {
		key += rowBytes
	}
	return histograms + perSecond + moments + int64(f.plan.Keys())*key
}

// mega is a number of bytes in whole MB, of 2²⁰ bytes as everywhere, rounded up.
func mega(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// spent notes work that was done, and tells of it.
func (f *files) spent(requests uint64, cost float64) { f.worked(requests, cost, false) }

// kept notes work that a judgement which was cut off has done.
func (f *files) kept(requests uint64, cost float64) { f.worked(requests, cost, true) }

func (f *files) worked(requests uint64, cost float64, before bool) {
	w := &f.portions.work
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.done
	w.done = min(w.total, w.done+float64(requests)*cost)
	if before {
		w.kept += w.done - was
	}
	if f.progress != nil {
		done, kept := 1.0, 0.0
		if w.total > 0 {
			done, kept = w.done/w.total, w.kept/w.total
		}
		f.progress(Judging{
			Requests: f.plan.Len(), Memory: f.portions.bytes, Done: done, Kept: kept, About: time.Duration(w.total / float64(min(2, cores()))),
		})
	}
}
