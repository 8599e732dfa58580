package run

import (
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// second is one second of the load: what was due in it, and what became of it.
type second struct {
	row           bench.SecondRow
	response, lag stats.Histogram
}

// seconds are those of the whole load. A second has two histograms, of 188 KB
// and more, so that there are never many at a time: requests are gone through in
// the order in which they were due, and one that is over becomes a row. Only the
// first and the last second of each share may have others' requests too: those
// wait for the end.
type seconds struct {
	rows []bench.SecondRow
	mu   sync.Mutex
	open map[int]*second
}

func newSeconds(load time.Duration) *seconds {
	return &seconds{rows: make([]bench.SecondRow, (load+time.Second-1)/time.Second), open: map[int]*second{}}
}

// row writes the figures of a second.
func (s *seconds) row(i int, one *second) {
	l := one.response.Latency()
	one.row.TMs = ms(time.Duration(i) * time.Second)
	one.row.P50, one.row.P99, one.row.Max = l.P50, l.P99, l.Max
	l = one.lag.Latency()
	one.row.LagP50, one.row.LagMax = l.P50, l.Max
	s.rows[i] = one.row
}

// share joins a second that others may have requests of too.
func (s *seconds) share(i int, one *second) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.open[i]
	if all == nil {
		all = &second{}
		s.open[i] = all
	}
	all.row.Offered += one.row.Offered
	all.row.Acknowledged += one.row.Acknowledged
	all.row.Refused += one.row.Refused
	all.row.Unknown += one.row.Unknown
	all.response.Merge(&one.response)
	all.lag.Merge(&one.lag)
}

// all gives the rows; without lag where it means nothing.
func (s *seconds) all(lag bool) []bench.SecondRow {
	for i, one := range s.open {
		s.row(i, one)
	}
	for i := range s.rows {
		s.rows[i].TMs = ms(time.Duration(i) * time.Second)
		if !lag {
			s.rows[i].LagP50, s.rows[i].LagMax = nil, nil
		}
	}
	return s.rows
}

// openSecond goes through a share of the requests, second by second.
type openSecond struct {
	seconds *seconds
	at      int
	begun   bool // a request was entered
	passed  bool // so was one of an earlier second
	now     second
}

func (o *openSecond) request(a *bench.Attempt, effect, due time.Duration) {
	at := min(int(due/time.Second), len(o.seconds.rows)-1)
	if o.begun && at != o.at {
		if o.passed {
			o.seconds.row(o.at, &o.now)
		} else {
			o.seconds.share(o.at, &o.now)
		}
		o.passed = true
		o.now.row = bench.SecondRow{}
		o.now.response.Reset()
		o.now.lag.Reset()
	}
	o.at, o.begun = at, true
	row := &o.now.row
	row.Offered++
	if a.Outcome == bench.Unsent || a.Class == bench.ClassNone {
		return
	}
	o.now.response.Record(a.End - due)
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
}

// close hands the last second over.
func (o *openSecond) close() {
	if o.begun {
		o.seconds.share(o.at, &o.now)
	}
}
