package stats

import (
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Availability counts, second by second, how many requests were due and how many of
// them were acknowledged: 16 bytes a second. The zero value is empty and ready; it
// belongs to one goroutine at a time.
type Availability struct{ seconds []offered }

type offered struct{ due, acknowledged int64 }

// Add counts a request in the second in which it was due, since that is when the
// client wanted an answer.
func (a *Availability) Add(due time.Duration, acknowledged bool) {
	i := max(0, int(due/time.Second))
	if i >= len(a.seconds) {
		a.seconds = append(a.seconds, make([]offered, i+1-len(a.seconds))...)
	}
	a.seconds[i].due++
	if acknowledged {
		a.seconds[i].acknowledged++
	}
}

// Merge adds what other has counted.
func (a *Availability) Merge(other *Availability) {
	if n := len(other.seconds) - len(a.seconds); n > 0 {
		a.seconds = append(a.seconds, make([]offered, n)...)
	}
	for i, s := range other.seconds {
		a.seconds[i].due += s.due
		a.seconds[i].acknowledged += s.acknowledged
	}
}

// Figures sums up. Shares are null where nothing was due.
func (a *Availability) Figures() bench.Availability {
	var out bench.Availability
	var all offered
	for _, s := range a.seconds {
		if s.due == 0 {
			continue
		}
		all.due += s.due
		all.acknowledged += s.acknowledged
		share := float64(s.acknowledged) / float64(s.due)
		if out.WorstSecond == nil || share < *out.WorstSecond {
			out.WorstSecond = &share
		}
		if s.acknowledged == 0 {
			out.DarkSeconds++
		}
	}
	if all.due > 0 {
		share := float64(all.acknowledged) / float64(all.due)
		out.Share = &share
	}
	return out
}
