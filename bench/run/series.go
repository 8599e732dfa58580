package run

import (
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// series gives what the pictures are drawn from.
func (f *files) series(t *times, g *figures) *bench.Series {
	s := &bench.Series{Response: g.response.CDF(), Completion: g.completion.CDF(), Deaths: f.story.deaths}
	if f.manifest.Architecture != bench.Sync {
		s.Lag = g.lag.CDF()
	}
	n := int((f.plan.Duration() + time.Second - 1) / time.Second)
	s.Seconds = make([]bench.SecondRow, n)
	response, lag := make([]stats.Histogram, n), make([]stats.Histogram, n)
	for i := range s.Seconds {
		s.Seconds[i].TMs = ms(time.Duration(i) * time.Second)
	}
	for i, a := range t.attempts {
		due := f.plan.Due(uint64(i))
		second := min(int(due/time.Second), n-1)
		row := &s.Seconds[second]
		row.Offered++
		if !t.sent[i] || a.Class == bench.ClassNone {
			continue
		}
		response[second].Record(a.End - due)
		switch a.Outcome {
		case bench.Acknowledged:
			row.Acknowledged++
			if e := t.items[i].Effect; e != stats.Never {
				lag[second].Record(e - a.End)
			}
		case bench.Refused:
			row.Refused++
		case bench.Unknown:
			row.Unknown++
		}
	}
	for i := range s.Seconds {
		l := response[i].Latency()
		s.Seconds[i].P50, s.Seconds[i].P99, s.Seconds[i].Max = l.P50, l.P99, l.Max
		if s.Lag != nil {
			l = lag[i].Latency()
			s.Seconds[i].LagP50, s.Seconds[i].LagMax = l.P50, l.Max
		}
	}
	return s
}

// notes says what a reader must know to read the figures right.
func (f *files) notes(r *bench.Result) {
	if url := f.manifest.Endpoints.Outside; url != "" {
		r.Notes = append(r.Notes, "the tables were not in the embedded DynamoDB but at "+url+", whose stream has the shards that it chose itself; times include a hop through ackproof's proxy")
	}
	r.Notes = append(r.Notes, f.scenario.Notes()...)
	if f.story.targetDeath != "" {
		r.Notes = append(r.Notes, "the run ended early: "+f.story.targetDeath)
	}
	for i, d := range f.damage {
		if i == maxDamage {
			r.Notes = append(r.Notes, fmt.Sprintf("and %d more places where files of the run are damaged", len(f.damage)-i))
			break
		}
		r.Notes = append(r.Notes, d)
	}
	for i, fault := range f.faults {
		if f.late(i) {
			r.Notes = append(r.Notes, fmt.Sprintf("the fault %q began %.1f s late: the harness itself was held up", fault, (f.story.beganAt[i]-fault.At).Seconds()))
		}
	}
	if gaps := f.story.gaps; gaps > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("the event source mapping fell behind the stream's retention %d time(s): what was trimmed and not read yet can never be delivered", gaps))
	}
	if n := f.story.disorder; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d stream record(s) came with a sequence number not above the last, as none may: readers pass over them, so nothing is proven; --set request.connections=1 gives such an engine one write at a time", n))
	}
	if sent := f.story.sent; sent > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("Lambda gave up %d event(s) of its asynchronous queue and handed them to the on-failure destination", sent))
	}
	if dropped := f.story.dropped; dropped > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("Lambda dropped %d event(s) of its asynchronous queue: no on-failure destination has taken them", dropped))
	}
}

// lateFault is how late a fault may begin without a word.
const lateFault = 500 * time.Millisecond

// maxDamage is how many damaged places are told one by one.
const maxDamage = 3
