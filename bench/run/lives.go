package run

import (
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/stats"
)

// life is how long a processor process was there: from its first asking for
// work to its death, stats.Never where none was told.
type life struct {
	pid      int
	from, to time.Duration
	how      string // it died
}

// lives are those of all processes of a run, in the order of their starts. A
// system gives a number again, so a death belongs to the last start of its pid.
type lives []life

func (l *lives) event(e ledger.TimedEvent) {
	switch e.Kind {
	case bench.EventProcessorStart:
		*l = append(*l, life{pid: e.PID, from: e.T, to: stats.Never})
	case bench.EventProcessorDeath:
		for i := range slices.Backward(*l) {
			if one := &(*l)[i]; one.pid == e.PID {
				if one.to == stats.Never {
					one.to, one.how = e.T, e.Text
				}
				return
			}
		}
	}
}

// startSlack is how much later than its first work the start of a process may be
// told: who tells it has handed over the work by then.
const startSlack = 100 * time.Millisecond

// at gives the processes that may have been up at a moment, and those of them
// that died before another.
func (l lives) at(moment, until time.Duration) (up, died []life) {
	for _, one := range l {
		if one.from > moment+startSlack || one.to < moment {
			continue
		}
		up = append(up, one)
		if one.to != stats.Never && one.to <= until {
			died = append(died, one)
		}
	}
	return up, died
}
