package load

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

// Figures is what the generator knows of itself after an attack.
type Figures struct {
	WorkerCapHit bool
	CPUShare     float64       // of all cores, by this process, from start to end of the attack; -1: the system does not tell
	GCPause      time.Duration // all pauses for the garbage collector together
	GCPauseMax   time.Duration // the longest; within the width of a bucket of the runtime's histogram, upwards
	SchedP99     time.Duration // 99 % of the goroutines that could run did so within this time, as above
	InFlight     int64         // requests under way at the same time, at most
	Unsent       int64         // requests whose time-out passed before a connection took their first byte
	Connections  Connections
}

// usage is what the process has used so far.
type usage struct {
	at            time.Time
	cpu           time.Duration // -1: unknown
	pauses, sched *metrics.Float64Histogram
}

const (
	pausesMetric = "/sched/pauses/total/gc:seconds"
	schedMetric  = "/sched/latencies:seconds"
)

func readUsage(c clock.Clock) usage {
	samples := []metrics.Sample{{Name: pausesMetric}, {Name: schedMetric}}
	metrics.Read(samples)
	return usage{at: c.Now(), cpu: processCPU(), pauses: samples[0].Value.Float64Histogram(), sched: samples[1].Value.Float64Histogram()}
}

// since is what was used from before to after.
func (after usage) since(before usage) Figures {
	pauses, sched := newBuckets(before.pauses, after.pauses), newBuckets(before.sched, after.sched)
	f := Figures{CPUShare: -1, GCPause: pauses.sum(), GCPauseMax: pauses.at(1), SchedP99: sched.at(0.99)}
	if wall := after.at.Sub(before.at); before.cpu >= 0 && after.cpu >= 0 && wall > 0 {
		f.CPUShare = float64(after.cpu-before.cpu) / float64(wall) / float64(runtime.NumCPU())
	}
	return f
}

// seconds is what a histogram of the runtime, in seconds, gained between two looks.
type seconds struct {
	counts []uint64
	ends   []float64 // upper ends of the buckets
	n      uint64
}

func newBuckets(before, after *metrics.Float64Histogram) seconds {
	var s seconds
	for i, n := range after.Counts {
		gained := n - before.Counts[i]
		end := after.Buckets[i+1]
		if math.IsInf(end, 1) {
			end = after.Buckets[i]
		}
		s.counts, s.ends, s.n = append(s.counts, gained), append(s.ends, end), s.n+gained
	}
	return s
}

// at is the quantile, as the upper end of its bucket; 0: nothing was counted.
func (s seconds) at(q float64) time.Duration {
	rank, seen := uint64(math.Ceil(q*float64(s.n))), uint64(0)
	for i, n := range s.counts {
		if seen += n; seen >= rank && n > 0 {
			return time.Duration(s.ends[i] * float64(time.Second))
		}
	}
	return 0
}

// sum adds all values up, each as the upper end of its bucket.
func (s seconds) sum() time.Duration {
	total := 0.0
	for i, n := range s.counts {
		total += float64(n) * s.ends[i]
	}
	return time.Duration(total * float64(time.Second))
}
