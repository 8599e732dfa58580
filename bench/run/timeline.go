package run

import (
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// perRow is how many requests a row is to have on average, so that its p99 is
// more than its maximum; no row is made longer than a second for that.
const perRow = 50

// rowWidths are the lengths that a row may have; beyond them, whole days.
var rowWidths = []time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// rowWidth is how long a row of a load is.
func rowWidth(load time.Duration, requests int64) time.Duration {
	const day = 24 * time.Hour
	for _, w := range rowWidths {
		dense := w >= time.Second || float64(requests)*float64(w) >= perRow*float64(load)
		if dense && load <= bench.MaxSeriesRows*w {
			return w
		}
	}
	days := (load + bench.MaxSeriesRows*day - 1) / (bench.MaxSeriesRows * day)
	return days * day
}

// tailOf is how long after the load the rows may go on: to the end of what was
// observed, but no further than this.
func tailOf(load time.Duration) time.Duration { return max(load/2, 10*time.Second) }

// slot is one row in the making: what was due in it, and what became of it.
type slot struct {
	row           bench.SeriesRow
	response, lag stats.Histogram
	least         time.Duration // of response time
}

// timeline makes the rows of a series. A slot has two histograms, of 188 KB and
// more, so that there are never many at a time: requests are gone through in the
// order in which they were due, and a slot that is over becomes a row. Only the
// first and the last slot of each share may have others' requests too: those wait
// for the end.
type timeline struct {
	width time.Duration
	load  int // rows in which requests are due; the others come after
	rows  []bench.SeriesRow
	mu    sync.Mutex
	open  map[int]*slot

	watched             bool // by the event source mapping
	invocations, failed int64
}

func newTimeline(load, end time.Duration, requests int64) *timeline {
	t := &timeline{width: rowWidth(load, requests), open: map[int]*slot{}}
	ceil := func(d time.Duration) int { return int((d + t.width - 1) / t.width) }
	t.load = max(1, ceil(load))
	t.rows = make([]bench.SeriesRow, max(t.load, ceil(min(end, load+tailOf(load)))))
	for i := range t.rows {
		t.rows[i].TMs = ms(time.Duration(i) * t.width)
	}
	return t
}

// due is the row of a request that was due at a moment.
func (t *timeline) due(at time.Duration) int { return min(int(at/t.width), t.load-1) }

// at is the row of a moment; ok is false outside all.
func (t *timeline) at(moment time.Duration) (row *bench.SeriesRow, ok bool) {
	i := int(moment / t.width)
	if moment < 0 || i >= len(t.rows) {
		return nil, false
	}
	return &t.rows[i], true
}

// row writes the figures of a slot. What happened in it stands there already.
func (t *timeline) row(i int, one *slot) {
	into, from := &t.rows[i], &one.row
	into.Offered, into.Acknowledged, into.Refused, into.Unknown = from.Offered, from.Acknowledged, from.Refused, from.Unknown
	l := one.response.Latency()
	into.P50, into.P90, into.P99, into.Max = l.P50, l.P90, l.P99, l.Max
	if l.Count > 0 {
		least := ms(one.least)
		into.Min = &least
	}
	l = one.lag.Latency()
	into.LagP50, into.LagP99, into.LagMax = l.P50, l.P99, l.Max
}

// share joins a slot that others may have requests of too.
func (t *timeline) share(i int, one *slot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.open[i]
	if all == nil {
		all = &slot{least: stats.Never}
		t.open[i] = all
	}
	all.row.Offered += one.row.Offered
	all.row.Acknowledged += one.row.Acknowledged
	all.row.Refused += one.row.Refused
	all.row.Unknown += one.row.Unknown
	all.least = min(all.least, one.least)
	all.response.Merge(&one.response)
	all.lag.Merge(&one.lag)
}

// finish writes the slots that were shared; without lag where it means nothing.
func (t *timeline) finish(lag bool, deaths []bench.Mark) {
	for i, one := range t.open {
		t.row(i, one)
	}
	t.open = nil
	for i := range t.rows {
		if !lag {
			t.rows[i].LagP50, t.rows[i].LagP99, t.rows[i].LagMax = nil, nil, nil
		}
	}
	for _, d := range deaths {
		if row, ok := t.at(time.Duration(d.TMs * float64(time.Millisecond))); ok {
			row.Deaths++
		}
	}
}

// invocation counts the deliveries of one invocation, whose records stand beside
// each other in the log.
type invocation struct {
	t       *timeline
	started time.Time
	last    bench.Delivery
}

func (v *invocation) delivery(d bench.Delivery) {
	if v.t == nil || d.Shard == v.last.Shard && d.Batch == v.last.Batch && d.Attempt == v.last.Attempt {
		return
	}
	v.last = d
	failed := int64(0)
	if d.Outcome != bench.Delivered {
		failed = 1
	}
	v.t.invocations++
	v.t.failed += failed
	if row, ok := v.t.at(d.At.Sub(v.started)); ok {
		row.Invocations++
		row.Failed += failed
	}
}

// finding counts a finding in the row in which its request was due.
func (f *files) inRow(t *timeline, found bench.Finding) {
	if found.Seq >= uint64(f.plan.Len()) {
		return // never planned, never due
	}
	row := &t.rows[t.due(f.plan.Due(found.Seq))]
	switch v := found.Verdict; {
	case v == bench.LostWrite, v == bench.LostProcessing:
		row.Lost++
	case v.Fails():
		row.Wrong++
	}
}

// openSlot goes through a share of the requests, slot by slot.
type openSlot struct {
	timeline *timeline
	at       int
	begun    bool // a request was entered
	passed   bool // so was one of an earlier slot
	now      slot
}

func (o *openSlot) request(a *bench.Attempt, effect, due time.Duration) {
	at := o.timeline.due(due)
	if o.begun && at != o.at {
		if o.passed {
			o.timeline.row(o.at, &o.now)
		} else {
			o.timeline.share(o.at, &o.now)
		}
		o.passed = true
		o.now.row, o.now.least = bench.SeriesRow{}, stats.Never
		o.now.response.Reset()
		o.now.lag.Reset()
	}
	if !o.begun {
		o.now.least = stats.Never
	}
	o.at, o.begun = at, true
	row := &o.now.row
	row.Offered++
	switch a.Outcome {
	case bench.Acknowledged:
		row.Acknowledged++
		if effect != stats.Never {
			o.now.lag.Record(effect - a.End)
		}
	case bench.Refused:
		row.Refused++
	case bench.Unknown:
		row.Unknown++
	}
	if a.Outcome != bench.Unsent && a.Class != bench.ClassNone { // else nobody knows when it ended
		o.now.response.Record(a.End - due)
		o.now.least = min(o.now.least, a.End-due)
	}
}

// close hands the last slot over.
func (o *openSlot) close() {
	if o.begun {
		o.timeline.share(o.at, &o.now)
	}
}

// watch counts what a log of deliveries tells; once, however often it is read.
func (t *timeline) watch(log *deliveries, started time.Time) invocation {
	if t == nil || t.watched || log == nil {
		return invocation{}
	}
	t.watched = true
	return invocation{t: t, started: started}
}
