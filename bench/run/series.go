package run

import (
	"fmt"
	"strings"
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

// lambdaWaits are the waits of Lambda's asynchronous invocation before its two
// retries: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
var lambdaWaits = []time.Duration{time.Minute, 2 * time.Minute}

// notes says what a reader must know to read the figures right.
func (f *files) notes(r *bench.Result) {
	s := f.scenario
	if f.manifest.Architecture == bench.FireAndForget {
		if len(s.Async.RetryDelays) > 0 && s.Async.RetryDelays[0] != lambdaWaits[0] {
			scale := float64(lambdaWaits[0]) / float64(s.Async.RetryDelays[0])
			r.Notes = append(r.Notes, fmt.Sprintf(
				"Lambda waits 60 s and 120 s before it retries an asynchronous invocation; this scenario sets %s. Time is scaled by %.3g: what lasts 6 s here stands for %s there.",
				durations(s.Async.RetryDelays), scale, time.Duration(6*scale*float64(time.Second)).Round(time.Second)))
		} else {
			r.Notes = append(r.Notes, "Fire-and-forget keeps an event in Lambda's queue only: after a failure it waits 60 s and then 120 s, is tried three times in all, and is then dropped.")
		}
	}
	if len(s.Workload.Poison) > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d planned request(s) carry a payload that the processor always refuses.", len(s.Workload.Poison)))
	}
}

func durations(ds []time.Duration) string {
	texts := make([]string, len(ds))
	for i, d := range ds {
		texts[i] = d.String()
	}
	return strings.Join(texts, " and ")
}
