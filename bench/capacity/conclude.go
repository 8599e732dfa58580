package capacity

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
	"github.com/ackproof/ackproof/scenarios"
)

// Tell gives the settings as capacity.json has them.
func (s *Settings) Tell() bench.CapacitySettings {
	out := bench.CapacitySettings{
		Expect: []string{}, Acknowledged: s.Acknowledged, GrowthTolerated: s.GrowthTolerated,
		SettleMs: float64(s.Settle) / float64(time.Millisecond), HoldMs: float64(s.Hold) / float64(time.Millisecond),
		Precision: s.Search.Precision, Repeats: s.Search.Repeats,
	}
	for _, e := range s.Expect {
		out.Expect = append(out.Expect, e.String())
	}
	return out
}

// Answers gives what the probes show of both questions. The low end of the second is
// the rate less the growth that cannot be told from noise.
func (s *Settings) Answers(probes []bench.CapacityProbe) (response, backlog Answer) {
	response = Conclude(s.Search, Sightings(probes, OfResponse))
	backlog = Conclude(s.Search, Sightings(probes, OfBacklog))
	backlog.Low *= 1 - s.GrowthTolerated
	return response, backlog
}

// Conclude writes the answers to the questions that were asked.
func (s *Settings) Conclude(c *bench.Capacity, askedResponse, askedBacklog bool) {
	response, backlog := s.Answers(c.Probes)
	none := bench.CapacityAnswer{Status: bench.CapacityNone, Text: "not asked"}
	c.Response, c.Backlog = none, none
	if askedResponse {
		c.Response = tell(response, c.Probes, OfResponse, "the API meets what is expected of it")
		kept := slices.DeleteFunc(slices.Clone(c.Probes), func(p bench.CapacityProbe) bool { return !p.GeneratorOK })
		c.Response.Knee = knee(kept, func(p *bench.CapacityProbe) *float64 { return p.P99 }) // a late generator bends the curve, too
	}
	if askedBacklog {
		c.Backlog = tell(backlog, c.Probes, OfBacklog, "the processor keeps up")
		c.Backlog.Knee = knee(c.Probes, func(p *bench.CapacityProbe) *float64 { return p.LagP99 })
	}
	if c.Architecture == bench.Sync {
		c.Backlog.Text = "the client waits for the processor: there is no backlog"
	}
	if c.AtLeast = nil; s.AtLeast > 0 {
		var asked []namedAnswer
		if askedResponse {
			asked = append(asked, namedAnswer{"response time", c.Response})
		}
		if askedBacklog {
			asked = append(asked, namedAnswer{"backlog", c.Backlog})
		}
		c.AtLeast = floor(s.AtLeast, asked)
	}
}

// namedAnswer is an answer with what it is of.
type namedAnswer struct {
	name string
	bench.CapacityAnswer
}

// floor holds a rate against the answers: one that lies below decides, else one that
// does not tell. Nothing asked is nothing shown.
func floor(rate float64, asked []namedAnswer) *bench.CapacityFloor {
	yes, no, open := 0, 0, 0
	var parts []string
	for _, a := range asked {
		settled := a.Status == bench.CapacityFound
		switch {
		case a.Low != nil && *a.Low >= rate && (settled || a.Status == bench.CapacityAtLeast):
			yes++
			parts = append(parts, a.name+" yes")
		case a.High != nil && *a.High <= rate && (settled || a.Status == bench.CapacityBelow):
			no++
			parts = append(parts, a.name+" NO")
		default:
			open++
			parts = append(parts, a.name+" undecided")
		}
	}
	f := &bench.CapacityFloor{Rate: rate, Text: scenarios.Rate(rate).String() + ": " + strings.Join(parts, ", ")}
	if met := no == 0; no > 0 || yes > 0 && open == 0 {
		f.Met = &met
	}
	return f
}

// tell puts an answer into a sentence.
func tell(a Answer, probes []bench.CapacityProbe, of func(*bench.CapacityProbe) bench.Sight, what string) bench.CapacityAnswer {
	out := bench.CapacityAnswer{Status: a.Status}
	rate := func(v float64) string { return scenarios.Rate(round(v)).String() }
	if a.Low > 0 {
		out.Low = &a.Low
	}
	if a.High > 0 {
		out.High = &a.High
	}
	switch a.Status {
	case bench.CapacityFound:
		out.Text = fmt.Sprintf("%s at %s, and no longer at %s", what, rate(a.Low), rate(a.High))
	case bench.CapacityAtLeast:
		out.Text = fmt.Sprintf("%s at %s at least; %s", what, rate(a.Low), limit(probes, a.Low, of))
	case bench.CapacityBelow:
		out.Text = fmt.Sprintf("not at %s, the lowest rate that was tried, and so not: %s", rate(a.High), what)
	case bench.CapacityOpen:
		switch {
		case a.Low > 0 && a.High > 0:
			out.Text = fmt.Sprintf("not settled: single probes put the limit between %s and %s", rate(a.Low), rate(a.High))
		case a.Low > 0:
			out.Text = fmt.Sprintf("not settled: %s was seen to work, and nothing higher was seen not to", rate(a.Low))
		case a.High > 0:
			out.Text = fmt.Sprintf("not settled: %s was seen not to work, and nothing lower was seen to", rate(a.High))
		default:
			out.Text = "not settled"
		}
	default:
		out.Text = "it could not be seen"
	}
	return out
}

// limit says what kept the search from going higher.
func limit(probes []bench.CapacityProbe, low float64, of func(*bench.CapacityProbe) bench.Sight) string {
	for i := range probes {
		p := &probes[i]
		switch {
		case p.Rate <= low || of(p) != bench.SightLimited:
		case !p.GeneratorOK:
			return "the load generator was the limit, not the system"
		default:
			return "beyond it the API was the limit, and the processor was not given more"
		}
	}
	return "no higher rate was to be tried"
}

// Curve gives a figure of the probes over their rates, rising: the median of the probes
// of a rate. Rates in which one of them has none (it never ended) are left out.
func Curve(probes []bench.CapacityProbe, of func(*bench.CapacityProbe) *float64) (rates, values []float64) {
	at := map[float64][]float64{}
	unbounded := map[float64]bool{}
	for i := range probes {
		p := &probes[i]
		if v := of(p); v != nil {
			at[p.Rate] = append(at[p.Rate], *v)
		} else {
			unbounded[p.Rate] = true
		}
	}
	for rate := range at {
		if !unbounded[rate] {
			rates = append(rates, rate)
		}
	}
	slices.Sort(rates)
	for _, rate := range rates {
		iv, _ := stats.MedianInterval(at[rate])
		values = append(values, iv.Median)
	}
	return rates, values
}

func knee(probes []bench.CapacityProbe, of func(*bench.CapacityProbe) *float64) *float64 {
	rates, values := Curve(probes, of)
	i, ok := stats.Knee(rates, values)
	if !ok {
		return nil
	}
	return &rates[i]
}

// Settle takes the median of the trials of a spike, if all of them have drained.
func Settle(spike *bench.Spike) {
	spike.DrainMs = nil
	var all []float64
	for _, t := range spike.Trials {
		if t.DrainMs == nil {
			return
		}
		all = append(all, *t.DrainMs)
	}
	if iv, _ := stats.MedianInterval(all); len(all) > 0 {
		spike.DrainMs = &iv.Median
	}
}
