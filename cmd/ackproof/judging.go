package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ackproof/ackproof/bench/run"
)

// judging tells on stderr how a judgement comes on: what it will take before it
// begins, and then the time left. Of one that takes no time it says nothing.
type judging struct {
	w     world
	begun time.Time
	told  time.Time // when it last said something; zero: never
}

const (
	// longJudging is how long a judgement must take to be worth a line.
	longJudging = 2 * time.Second
	// judgingEvery is how often the time left is told.
	judgingEvery = 5 * time.Second
)

func (j *judging) show(p run.Judging) {
	now := j.w.clock.Now()
	switch {
	case p.About < longJudging:
		return
	case j.told.IsZero():
		fmt.Fprintf(j.w.stderr, "ackproof: judging %s requests: %d MB, about %s\n", thousands(p.Requests), p.Memory>>20, seconds(p.About))
	case now.Sub(j.told) < judgingEvery || p.Done <= 0:
		return
	default:
		left := time.Duration(float64(now.Sub(j.begun)) * (1 - p.Done) / p.Done)
		fmt.Fprintf(j.w.stderr, "ackproof: judged %.0f %%, %s left\n", p.Done*100, seconds(left))
	}
	j.told = now
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
