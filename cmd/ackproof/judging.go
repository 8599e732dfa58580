package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
)

// judging tells on stderr how a judgement comes on: what it will take before it
// begins, and then the time left. Of one that takes no time it says nothing.
type judging struct {
	w     world
	begun time.Time
	told  time.Time // when it last said something; zero: never
	kept  bool      // it was told that a judgement goes on

	mu   sync.Mutex
	last run.Judging // where it stands
}

const (
	// longJudging is how long a judgement must take to be worth a line.
	longJudging = 2 * time.Second
	// judgingEvery is how often the time left is told.
	judgingEvery = 5 * time.Second
)

func (j *judging) show(p run.Judging) {
	now := j.w.clock.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = p
	switch {
	case p.About < longJudging:
		return
	case j.told.IsZero():
		fmt.Fprintf(j.w.stderr, "ackproof: judging %s requests: %d MB, about %s\n", thousands(p.Requests), p.Memory>>20, seconds(p.About))
	case p.Kept > 0 && !j.kept:
		j.kept = true
		fmt.Fprintf(j.w.stderr, "ackproof: %.0f %% were judged before it was cut off, and are kept\n", p.Kept*100)
	case now.Sub(j.told) < judgingEvery || p.Done <= p.Kept:
		return
	default:
		left := time.Duration(float64(now.Sub(j.begun)) * (1 - p.Done) / (p.Done - p.Kept))
		fmt.Fprintf(j.w.stderr, "ackproof: judged %.0f %%, %s left\n", p.Done*100, seconds(left))
	}
	j.told = now
}

// errJudgingInterrupted ends a judgement that was interrupted.
var errJudgingInterrupted = errors.New("interrupted")

// untilInterrupted judges a run, or says where it was when the interrupt came. It is
// left as SIGKILL leaves it: what was written down is gone on with.
func untilInterrupted(ctx context.Context, w world, dir string, judge func(string, *judging) (*bench.Result, *bench.Series, error)) (*bench.Result, *bench.Series, error) {
	type judged struct {
		result *bench.Result
		series *bench.Series
		err    error
	}
	progress := &judging{w: w, begun: w.clock.Now()}
	over := make(chan judged, 1)
	go func() {
		r, s, err := judge(dir, progress)
		over <- judged{r, s, err}
	}()
	select {
	case j := <-over:
		return j.result, j.series, j.err
	case <-ctx.Done():
	}
	progress.mu.Lock()
	defer progress.mu.Unlock()
	return nil, nil, fmt.Errorf("judging was %w at %.0f %%; 'ackproof reconcile %s' goes on with what was written down of it",
		errJudgingInterrupted, progress.last.Done*100, display(dir))
}

// end tells what it took, of a judgement whose beginning was told.
func (j *judging) end() {
	if !j.told.IsZero() {
		fmt.Fprintf(j.w.stderr, "ackproof: judged in %s\n", seconds(j.w.clock.Now().Sub(j.begun)))
	}
}

// seconds prints a duration in whole seconds, which is as well as it is known.
func seconds(d time.Duration) string { return max(d.Round(time.Second), time.Second).String() }

// thousands prints a count with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
